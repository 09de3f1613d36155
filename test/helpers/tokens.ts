import type { AccessTokenClaims } from "../../lib/tokens/access-token.ts";
import type { SigningKey } from "../../lib/tokens/signing-key.ts";
import { signAccessToken } from "../fixtures/access-token.ts";
import type { App } from "./app.ts";
import { stolenKey } from "./attacker.ts";
import { request } from "./http.ts";

/** The claims of a token, unverified. */
export const claimsOf = (token: string): any =>
  JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());

/** The header of a token, unverified. */
export const headerOf = (token: string): any =>
  JSON.parse(Buffer.from(token.split(".")[0]!, "base64url").toString());

/** Sends one refresh request; `retry` is its idempotency key. */
export const refresh = (app: App, refreshToken: string, retry?: string) =>
  request(app, "POST /api/auth/refresh", {
    body: { refresh_token: refreshToken, ...(retry !== undefined && { idempotency_key: retry }) },
  });

/** The error type that a token gets; undefined if it is accepted. */
export const faultOf = async (app: Pick<App, "url">, token: string): Promise<string | undefined> =>
  (await request(app, "GET /api/protected", { token })).body.type;

/** An access token of a user who has no account, signed with auth's own key or another. */
export function tokenFor(
  app: App,
  claims: Partial<AccessTokenClaims>,
  key: SigningKey = stolenKey(app, "auth"),
): string {
  return signAccessToken(claims, key);
}
