import { randomUUID } from "node:crypto";
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  FIRST_PARTY_CLIENT,
  groupPermissions,
} from "../../../lib/tokens/access-token.ts";
import type { Config } from "../../../lib/config/config.ts";
import { signJwt } from "../../../lib/tokens/jwt.ts";
import type { SigningKey } from "../../../lib/tokens/signing-key.ts";

/** The generation of tokens that a session begins with. */
export const FIRST_GENERATION = 1;

/** Whom an access token speaks for, and in which session. */
export interface Holder extends Pick<
  AccessTokenClaims,
  "sid" | "generation" | "username" | "roles" | "subjectType"
> {
  id: string;
  /** Left out, it is FIRST_PARTY_CLIENT. */
  clientId?: string;
  /** `["posts:write"]` */
  permissions: readonly string[];
  /** What its client asked for, as far as it was granted; left out: nothing in particular. */
  scope?: string | undefined;
  act?: AccessTokenClaims["act"];
}

/** Makes an access token of this deployment (RFC 9068), as OAuth answers it (RFC 6749, 5.1). */
export function mint(
  holder: Holder,
  key: SigningKey,
  { issuer, accessTokenTtl, tenantId, environmentId }: Config,
) {
  const { id, clientId = FIRST_PARTY_CLIENT, permissions, scope, act } = holder;
  const { sid, generation, username, roles, subjectType } = holder;
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
  };
  return {
    access_token: signJwt({ ...claims }, { ...key, typ: ACCESS_TOKEN_TYPE }),
    token_type: "Bearer" as const,
    expires_in: accessTokenTtl,
  };
}
