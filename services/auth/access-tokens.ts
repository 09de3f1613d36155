import { randomUUID } from "node:crypto";
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  groupPermissions,
} from "../../lib/tokens/access-token.ts";
import type { Config } from "../../lib/config.ts";
import { signJwt } from "../../lib/tokens/jwt.ts";
import type { SigningKey } from "../../lib/tokens/signing-key.ts";

/** The generation of tokens that a session begins with. */
export const FIRST_GENERATION = 1;

/** Whom an access token speaks for, and in which session. */
export interface Holder extends Pick<
  AccessTokenClaims,
  "sid" | "generation" | "username" | "roles" | "subjectType"
> {
  id: string;
  /** `["posts:write"]` */
  permissions: readonly string[];
  act?: AccessTokenClaims["act"];
}

/** Makes an access token of this deployment (RFC 9068), as OAuth answers it (RFC 6749, 5.1). */
export function mint(
  { id, sid, generation, username, roles, permissions, subjectType, act }: Holder,
  key: SigningKey,
  { issuer, accessTokenTtl, tenantId, environmentId }: Config,
) {
  const iat = Math.floor(Date.now() / 1000);
  const claims: AccessTokenClaims = {
    iss: issuer,
    aud: issuer,
    sub: id,
    iat,
    exp: iat + accessTokenTtl,
    jti: randomUUID(),
    sid,
    generation,
    username,
    roles,
    permissions: groupPermissions(permissions),
    tenantId,
    environmentId,
    subjectType,
    ...(act && { act }),
  };
  return {
    access_token: signJwt({ ...claims }, { ...key, typ: ACCESS_TOKEN_TYPE }),
    token_type: "Bearer" as const,
    expires_in: accessTokenTtl,
  };
}
