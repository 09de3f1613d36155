import type { Context } from "moleculer";
import type { Options } from "../../lib/hooks.ts";

// The headers that proofs ride in. Moleculer does not pass headers on to nested calls.

/** A call token. */
export const TOKEN_HEADER = "service-token";
/** A proof of possession, beside the token where an action asks for `proof: "request"`. */
export const PROOF_HEADER = "service-proof";
/** A credential's name, and the proof that its secret is at hand: for the guard alone. */
export const CREDENTIAL_HEADER = "service-credential";
export const CREDENTIAL_PROOF_HEADER = "service-credential-proof";

/** The options with these headers, in copies: the caller's objects may be shared between calls. */
export function withHeaders(opts: Options, headers: Record<string, string>): Options {
  if (opts.ctx) opts.ctx.headers = { ...opts.ctx.headers, ...headers };
  return { ...opts, headers: { ...opts.headers, ...headers } };
}

/** Takes the proofs out of a context, so that neither handler nor log sees them. */
export function takeProofs(ctx: Context): { token: string | undefined; proof: string | undefined } {
  const { [TOKEN_HEADER]: token, [PROOF_HEADER]: proof, ...headers } = ctx.headers;
  ctx.headers = headers;
  return {
    token: typeof token === "string" ? token : undefined,
    proof: typeof proof === "string" ? proof : undefined,
  };
}
