import type { Client } from "../../../lib/context/client.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { SignAccessToken } from "../tokens/access-tokens.ts";
import { secondsFromNow } from "../tokens/expiry.ts";
import { grantScope } from "../tokens/scopes.ts";
import type { RefreshResult, RefreshTokensRepository } from "./refresh-tokens.repository.ts";
import { fetchIdentity } from "./identity.ts";
import { toTokenUser } from "./session-identity.ts";
import type { CallContext } from "./session-revocation.ts";
import type { OwnedSession } from "./sessions.repository.ts";

interface RefreshDependencies {
  /** Available after the service has started. */
  refreshTokens: () => RefreshTokensRepository;
  endSession: (ctx: CallContext, selection: { id: string }) => Promise<unknown>;
  sign: SignAccessToken;
  /** A keyed hash: the same result for the same value, which nobody without the key can compute. */
  derive: (value: string) => string;
  /** In seconds. */
  refreshTokenTtl: number;
}

export interface RefreshRequest {
  refresh_token: string;
  idempotency_key?: string | undefined;
  scope?: string | undefined;
}

type RefreshContext = CallContext & { readonly meta: { readonly client?: Client } };

export type Refresh = ReturnType<typeof makeRefresh>;

/**
 * Makes the function that exchanges a refresh token for new tokens. Both routes for it use the same function.
 *
 * @returns throws CitadelError RefreshTokenInvalid, RefreshTokenReused, VALIDATION_ERROR of the scope,
 * UserServiceNotAccessible
 */
export function makeRefresh({
  refreshTokens,
  endSession,
  sign,
  derive,
  refreshTokenTtl,
}: RefreshDependencies) {
  /** The session that a refresh token continues. Reuse ends the session: a thief may hold the token. */
  const sessionOf = async (ctx: CallContext, result: RefreshResult): Promise<OwnedSession> => {
    if (result.outcome === "invalid") throw new CitadelError("RefreshTokenInvalid");
    const { session, outcome } = result;
    if (outcome !== "reused") return session;
    audit(ctx, {
      event: "refresh-token.reused",
      subject: { id: session.userId },
      data: { session: session.id },
    });
    await endSession(ctx, { id: session.id });
    throw new CitadelError("RefreshTokenReused");
  };

  return async (ctx: RefreshContext, request: RefreshRequest) => {
    const { refresh_token: token, idempotency_key: key, scope } = request;
    // a repeated request derives the same token, so it need not be stored in readable form
    const next = key === undefined ? makeOpaqueToken() : derive(`${token} ${key}`);
    const result = await refreshTokens().check(token, next);
    const { userId, generation } = await sessionOf(ctx, result);
    // these may fail, so they come before the token is used up
    const identity = await fetchIdentity(ctx, userId);
    const granted = grantScope(identity.permissions, scope);
    const expiresAt = secondsFromNow(refreshTokenTtl);
    const { id: sid } = await sessionOf(
      ctx,
      await refreshTokens().rotate(token, next, expiresAt, ctx.meta.client),
    );
    const tokens = {
      ...sign({ ...identity, ...granted, sid, generation }),
      refresh_token: next,
      user: toTokenUser(identity),
    };
    return { tokens, granted };
  };
}
