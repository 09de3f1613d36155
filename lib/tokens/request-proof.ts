import { createHash, type KeyObject, randomUUID } from "node:crypto";
import { type Claims, signJwt, TokenError, verifyJwt, type VerificationKey } from "./jwt.ts";

/**
 * A proof that the holder of a key makes this very request: bound to the action, the node that is to
 * answer, the parameters and the token beside it; for one use, within seconds. The shape of WIMSE's
 * workload proof token and of DPoP (RFC 9449), with an action and parameters for a method and URL.
 */

const PROOF_TYPE = "call-proof+jwt";
/** Seconds. */
const LIFETIME = 10;
/** How many proofs are remembered at most; beyond that all are refused. */
const MAX_REMEMBERED = 500_000;
/** How much longer than it says a token is let in (lib/tokens/jwt.ts), and a second more. */
const GRACE = 6;

/** Events go to many nodes: each lets an event's proof in once. */
export const EVERY_NODE = "*";

/** The request that a proof is for. */
export interface ProvedRequest {
  service: string;
  /** The action or event. */
  target: string;
  /** The node that is to answer, or EVERY_NODE. */
  nodeID: string;
  params: unknown;
  /** What the proof goes with: a call token, or a credential's name. */
  token: string;
}

const digest = (text: string) => createHash("sha256").update(text).digest("base64url");

/** JSON comes out of the transporter as it went in, so both sides hash the same text. */
const digestOfParams = (params: unknown) => digest(JSON.stringify(params ?? {}));

const audienceOf = ({ target, nodeID }: ProvedRequest) => `${target}@${nodeID}`;

/** Signs the proof of a request. */
export function signProof(
  { key, alg, kid }: { key: KeyObject; alg: "ES256" | "HS256"; kid: string },
  request: ProvedRequest,
): string {
  const iat = Math.floor(Date.now() / 1000);
  return signJwt(
    {
      iss: request.service,
      sub: request.service,
      aud: audienceOf(request),
      iat,
      exp: iat + LIFETIME,
      jti: randomUUID(),
      wth: digest(request.token),
      pth: digestOfParams(request.params),
    },
    { key, alg, kid, typ: PROOF_TYPE },
  );
}

/**
 * Checks that a proof is for this request; not whether it was used before.
 *
 * @throws TokenError
 */
export function verifyProof(proof: unknown, key: VerificationKey, request: ProvedRequest): Claims {
  const claims = verifyJwt(proof as string, key, {
    typ: PROOF_TYPE,
    issuer: request.service,
    audience: audienceOf(request),
    maxLifetime: LIFETIME,
  });
  if (claims.wth !== digest(request.token)) throw new TokenError("of another token");
  if (claims.pth !== digestOfParams(request.params)) throw new TokenError("of other parameters");
  return claims;
}

/** Checks proofs, and lets each in once. */
export class ProofVerifier {
  /** By jti and handler: when the proof has ended, in seconds since the epoch. In the order of their arrival. */
  readonly #seen = new Map<string, number>();

  /**
   * @param handler who is to act on it: an event has several on one node, and each lets it in once
   * @throws TokenError unless this proves this request, for the first time
   */
  verify(proof: unknown, key: VerificationKey, request: ProvedRequest, handler: string): void {
    const claims = verifyProof(proof, key, request);
    this.#use(`${claims.jti} ${handler}`, claims.exp);
  }

  #use(use: string, exp: number): void {
    const now = Date.now() / 1000;
    for (const [old, end] of this.#seen) {
      if (end + GRACE > now) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(use)) throw new TokenError("used before");
    if (this.#seen.size >= MAX_REMEMBERED) throw new TokenError("too many proofs at once");
    this.#seen.set(use, exp);
  }
}
