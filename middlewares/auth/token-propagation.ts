import type { Context } from "moleculer";
import type { Options } from "../../lib/context/hooks.ts";
import type { AuthenticationContext } from "../../lib/authentication/context.ts";
import type { AccessTokenClaims } from "../../lib/tokens/access-token.ts";

const HEADER = "authorization";

/** What the AuthMiddleware keeps in `ctx.locals`, which never leaves the process. */
export interface TokenLocals {
  accessToken?: string;
  user?: AccessTokenClaims;
  authContext?: AuthenticationContext;
}

/**
 * Adds the user's token to the headers of a call or an event: the token in `meta.token`, or else the one of the calling
 * context. Never changes the caller's options object.
 */
export function withToken(options: Options, isNeeded: boolean): Options {
  const parent = options.parentCtx ?? options.ctx?.options?.parentCtx;
  const { token: given, ...meta } = options.meta ?? {};
  const inherited =
    (options.ctx?.locals as TokenLocals | undefined)?.accessToken ?? tokenOf(parent);
  const token = typeof given === "string" ? given : inherited;
  const result = { ...options, ...(options.meta && { meta }) };
  if (token === undefined || !isNeeded) return result;
  const headers = { ...options.headers, [HEADER]: `Bearer ${token}` };
  // on a retry Moleculer sends the headers of this context
  if (options.ctx) options.ctx.headers = { ...options.ctx.headers, ...headers };
  return { ...result, headers };
}

/** The token of a calling context. A token in its meta is moved to its locals, so that only headers carry it to other nodes. */
function tokenOf(ctx: Context | undefined): string | undefined {
  if (!ctx) return undefined;
  const locals = ctx.locals as TokenLocals;
  const meta = ctx.meta as Record<string, unknown>;
  if (typeof meta.token === "string") {
    locals.accessToken = meta.token;
    delete meta.token;
  }
  return locals.accessToken;
}

/** Moves the token of an arrived call from its headers to its locals, and removes any unverified user from its meta. */
export function takeToken(ctx: Context): string | undefined {
  const { [HEADER]: header, ...headers } = ctx.headers;
  const { user: _unverified, token: _unused, ...meta } = ctx.meta as Record<string, unknown>;
  ctx.headers = headers;
  ctx.meta = meta;
  const token = typeof header === "string" ? header.replace(/^Bearer /, "") : undefined;
  if (token !== undefined) (ctx.locals as TokenLocals).accessToken = token;
  return token;
}
