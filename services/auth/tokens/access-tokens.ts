import { randomUUID } from "node:crypto";
import type { Config } from "../../../lib/config/config.ts";
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  FIRST_PARTY_CLIENT,
  groupPermissions,
} from "../../../lib/tokens/access-token.ts";
import { withValues } from "../../../lib/tokens/optional-claims.ts";
import { signJwt } from "../../../lib/tokens/jwt.ts";
import type { SigningKey } from "../../../lib/tokens/signing-key.ts";

/** The generation of a new session's access tokens. */
export const FIRST_GENERATION = 1;

/** The account and session that an access token is issued for. */
export interface TokenSubject extends Pick<
  AccessTokenClaims,
  | "sid"
  | "generation"
  | "username"
  | "roles"
  | "subjectType"
  | "name"
  | "email"
  | "tags"
  | "applicationId"
  | "extensions"
> {
  id: string;
  /** By default FIRST_PARTY_CLIENT. */
  clientId?: string;
  /** `["posts:write"]` */
  permissions: readonly string[];
  /** The granted scope, if the client requested one. */
  scope?: string | undefined;
  act?: AccessTokenClaims["act"];
  /** Has the user verified `email`? */
  emailVerified?: boolean;
}

export type SignAccessToken = (subject: TokenSubject) => ReturnType<typeof signAccessToken>;

/** Signs an access token (RFC 9068). @returns the token response without a refresh token (RFC 6749, 5.1) */
export function signAccessToken(
  subject: TokenSubject,
  key: SigningKey,
  { issuer, accessTokenTtl, accessTokenEmail, tenantId, environmentId }: Config,
) {
  const { id, clientId = FIRST_PARTY_CLIENT, permissions, scope, act } = subject;
  const { sid, generation, username, roles, subjectType } = subject;
  const { name, tags, applicationId, extensions, emailVerified } = subject;
  const email = accessTokenEmail && emailVerified ? subject.email : undefined;
  const iat = Math.floor(Date.now() / 1000);
  const claims: AccessTokenClaims = {
    iss: issuer,
    aud: issuer,
    sub: id,
    iat,
    exp: iat + accessTokenTtl,
    jti: randomUUID(),
    client_id: clientId,
    sid,
    generation,
    username,
    roles,
    permissions: groupPermissions(permissions),
    tenantId,
    environmentId,
    subjectType,
    ...(scope !== undefined && { scope }),
    ...(act && { act }),
    ...withValues({ name, email, tags, applicationId, extensions }),
  };
  return {
    access_token: signJwt({ ...claims }, { ...key, typ: ACCESS_TOKEN_TYPE }),
    token_type: "Bearer" as const,
    expires_in: accessTokenTtl,
  };
}
