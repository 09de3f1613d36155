import type { Client } from "../../../lib/context/client.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { Holder, mint } from "../tokens/access-tokens.ts";
import { toUser } from "../identity.ts";
import type { RefreshTokensRepository, Verdict } from "./refresh-tokens.repository.ts";
import { grantFor } from "../tokens/scopes.ts";
import type { Teller } from "./session-end.ts";
import type { OwnedSession } from "./sessions.repository.ts";
import { inSeconds } from "../tokens/token-life.ts";

interface Means {
  /** There once the service has started. */
  refreshTokens: () => RefreshTokensRepository;
  end: (ctx: Teller, which: { id: string }) => Promise<unknown>;
  sign: (holder: Holder) => ReturnType<typeof mint>;
  /** The same text for the same value, which nobody else can derive. */
  derive: (value: string) => string;
  /** In seconds. */
  refreshTokenTtl: number;
}

export interface RefreshRequest {
  refresh_token: string;
  idempotency_key?: string | undefined;
  scope?: string | undefined;
}

type RefreshContext = Teller & { readonly meta: { readonly client?: Client } };

/**
 * Trades a refresh token for new tokens, by whichever route it came.
 *
 * @returns throws CitadelError RefreshTokenInvalid, RefreshTokenReused, VALIDATION_ERROR of the scope
 */
export function refresher({ refreshTokens, end, sign, derive, refreshTokenTtl }: Means) {
  /** The session that a refresh token continues. Reuse ends it: somebody else has the token, too. */
  const continued = async (ctx: Teller, verdict: Verdict): Promise<OwnedSession> => {
    if (verdict.outcome === "invalid") throw new CitadelError("RefreshTokenInvalid");
    const { session, outcome } = verdict;
    if (outcome !== "reused") return session;
    audit(ctx, {
      event: "refresh-token.reused",
      subject: { id: session.userId },
      data: { session: session.id },
    });
    await end(ctx, { id: session.id });
    throw new CitadelError("RefreshTokenReused");
  };

  return async (ctx: RefreshContext, request: RefreshRequest) => {
    const { refresh_token: token, idempotency_key: key, scope } = request;
    // the same key gets the same token again, which is stored nowhere
    const next = key === undefined ? makeOpaqueToken() : derive(`${token} ${key}`);
    const verdict = await refreshTokens().judge(token, next);
    const { userId, generation } = await continued(ctx, verdict);
    // both may fail, so they come before the token is used up
    const identity = await ctx.call("users.identity", { id: userId });
    const granted = grantFor(identity.permissions, scope);
    const expiresAt = inSeconds(refreshTokenTtl);
    const { id: sid } = await continued(
      ctx,
      await refreshTokens().rotate(token, next, expiresAt, ctx.meta.client),
    );
    const tokens = {
      ...sign({ ...identity, ...granted, sid, generation }),
      refresh_token: next,
      user: toUser(identity),
    };
    return { tokens, granted };
  };
}
