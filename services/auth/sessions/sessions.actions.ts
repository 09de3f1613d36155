import { randomUUID } from "node:crypto";
import type { Kysely } from "kysely";
import type { Handlers } from "../../../lib/contract/handlers.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { hashOfSession } from "../../../lib/tokens/revocations.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { contract } from "../auth.contract.ts";
import type { AuthDatabase } from "../tables.ts";
import { FIRST_GENERATION, type SignAccessToken } from "../tokens/access-tokens.ts";
import { secondsFromNow } from "../tokens/expiry.ts";
import type { RefreshTokensRepository } from "./refresh-tokens.repository.ts";
import type { RevocationsRepository } from "./revocations.repository.ts";
import { identityForSession, toTokenUser } from "./session-identity.ts";
import type { SessionRevocation } from "./session-revocation.ts";
import type { SessionsRepository } from "./sessions.repository.ts";

type Actions = Handlers<typeof contract>["actions"];

/** Available after the service has started. */
interface SessionRepositories {
  db: Kysely<AuthDatabase>;
  sessions: SessionsRepository;
  revocation: SessionRevocation;
  revocations: RevocationsRepository;
  refreshTokens: RefreshTokensRepository;
}

interface SessionDependencies {
  repositories: () => SessionRepositories;
  sign: SignAccessToken;
  /** In seconds. */
  refreshTokenTtl: number;
}

/** Creates, lists and ends sessions. */
export function sessionActions({
  repositories,
  sign,
  refreshTokenTtl,
}: SessionDependencies): Pick<
  Actions,
  | "generateToken"
  | "logout"
  | "logoutAll"
  | "sessions"
  | "revokeSession"
  | "confirmSession"
  | "renewSessions"
  | "endSessions"
  | "revocations"
> {
  return {
    generateToken: async (ctx) => {
      const { userId, sessionId: sid = randomUUID() } = ctx.params;
      const { db, sessions, refreshTokens } = repositories();
      const refreshToken = makeOpaqueToken();
      const expiresAt = secondsFromNow(refreshTokenTtl);
      const { client } = ctx.meta;
      await db.transaction().execute(async (trx) => {
        await sessions.create({ id: sid, userId, expiresAt, client }, trx);
        await refreshTokens.store(sid, refreshToken, expiresAt, trx);
      });
      const identity = await identityForSession(ctx, sessions, { sid, userId });
      // services audit what they authenticate; only the operator calls without one
      if (ctx.locals.caller === undefined)
        audit(ctx, {
          event: "token.issued",
          subject: { id: userId, name: identity.username },
          data: { session: sid },
        });
      return {
        ...sign({ ...identity, sid, generation: FIRST_GENERATION }),
        refresh_token: refreshToken,
        user: toTokenUser(identity),
      };
    },

    logout: async (ctx) => {
      const { sub: userId, sid: id } = ctx.locals.user;
      await repositories().revocation.end(ctx, { id, userId });
    },

    logoutAll: async (ctx) => {
      const { sub: userId, sid } = ctx.locals.user;
      const { revocation, sessions } = repositories();
      await sessions.mustBeConfirmed(sid);
      await revocation.end(ctx, { userId });
    },

    sessions: (ctx) => {
      const { sub: userId, sid } = ctx.locals.user;
      return repositories().sessions.list(userId, sid, ctx.params);
    },

    revokeSession: async (ctx) => {
      const { sub: userId, sid } = ctx.locals.user;
      const { id } = ctx.params;
      const { revocation, sessions } = repositories();
      if (id !== sid) await sessions.mustBeConfirmed(sid);
      if (!(await revocation.end(ctx, { id, userId })))
        throw new CitadelError("NotFound", {
          message: "You have no such session. It may have ended.",
        });
    },

    confirmSession: (ctx) => repositories().sessions.confirm(ctx.params.id),

    renewSessions: (ctx) => repositories().revocation.renew(ctx, ctx.params.userIds),

    endSessions: async (ctx) => {
      const { userId, except, only } = ctx.params;
      const selection = only === undefined ? { userId, except } : { userId, id: only };
      await repositories().revocation.end(ctx, selection);
    },

    revocations: async () => {
      const revoked = await repositories().revocations.list();
      return {
        sessions: revoked.map(({ id, ...rest }) => ({ hash: hashOfSession(id), ...rest })),
      };
    },
  };
}
