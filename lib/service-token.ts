import { randomUUID } from "node:crypto";
import { type Claims, signJwt } from "./jwt.ts";
import type { SigningKey } from "./signing-key.ts";

/** The tokens by which services prove themselves. Only the guard signs them. */

/** A service's long-lived credential; nobody but the guard ever gets to see it. */
export const CREDENTIAL_TYPE = "service-credential+jwt";
/** What the guard gives for it: good for one audience and a minute. */
export const CALL_TOKEN_TYPE = "call-token+jwt";

export const GUARD_ISSUER = "guard";
const CREDENTIAL_LIFETIME = 5 * 365 * 86_400;

/** How a credential must look; the guard checks it. */
export const CREDENTIAL_RULES = {
  typ: CREDENTIAL_TYPE,
  issuer: GUARD_ISSUER,
  audience: "guard",
  maxLifetime: CREDENTIAL_LIFETIME,
} as const;

/** The longest that a call token may live, whatever the guard says, in seconds. */
export const MAX_CALL_TOKEN_LIFETIME = 3_600;

/** A call token's audience: the service that is called, or the event that is emitted. */
export const audienceOfAction = (service: string) => service;
export const audienceOfEvent = (event: string) => `event:${event}`;

interface Request {
  subject: string;
  audience: string;
  /** Seconds. */
  lifetime: number;
}

function sign(
  typ: string,
  { key, kid, alg }: SigningKey,
  { subject, audience, lifetime }: Request,
) {
  const iat = Math.floor(Date.now() / 1000);
  const claims: Claims = {
    iss: GUARD_ISSUER,
    sub: subject,
    aud: audience,
    iat,
    exp: iat + lifetime,
    jti: randomUUID(),
  };
  return signJwt({ ...claims }, { key, kid, alg, typ });
}

/** Signs the credential of a service. */
export function signCredential(key: SigningKey, service: string): string {
  return sign(CREDENTIAL_TYPE, key, {
    subject: service,
    audience: CREDENTIAL_RULES.audience,
    lifetime: CREDENTIAL_LIFETIME,
  });
}

/** Signs a call token: `subject` may call `audience` for `lifetime` seconds. */
export function signCallToken(key: SigningKey, request: Request): string {
  return sign(CALL_TOKEN_TYPE, key, request);
}
