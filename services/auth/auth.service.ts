import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import {
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  groupPermissions,
} from "../../lib/access-token.ts";
import { configOf } from "../../lib/attachment.ts";
import type { Caller, ResultOf } from "../../lib/contract.ts";
import { CitadelError } from "../../lib/errors.ts";
import { signJwt } from "../../lib/jwt.ts";
import { hashOfSession } from "../../lib/revocations.ts";
import { readSigningKey } from "../../lib/signing-key.ts";
import { revocationsOf } from "../../middlewares/auth/index.ts";
import { implement } from "../../mixins/contract.ts";
import { database } from "../../mixins/database.ts";
import { contract } from "./auth.contract.ts";
import { AuthRepository, type AuthDatabase } from "./auth.repository.ts";

/** Sessions and the tokens that prove them. Who the users are, the users service knows. */
export default class AuthService extends Service {
  declare db: Kysely<AuthDatabase>;
  declare sessions: AuthRepository;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const signingKey = readSigningKey(config.secret("auth", "signing_key") ?? "");

    const makeRefreshToken = () => ({
      refreshToken: randomBytes(32).toString("base64url"),
      expiresAt: new Date(Date.now() + config.refreshTokenTtl * 1000),
    });

    /** The tokens of a session, with what the users service says of the user now. */
    const mint = (identity: ResultOf<"users.identity">, sid: string, refreshToken: string) => {
      const { permissions, subjectType, ...user } = identity;
      const iat = Math.floor(Date.now() / 1000);
      const claims: AccessTokenClaims = {
        iss: config.issuer,
        aud: config.issuer,
        sub: user.id,
        iat,
        exp: iat + config.accessTokenTtl,
        jti: randomUUID(),
        sid,
        username: user.username,
        roles: user.roles,
        permissions: groupPermissions(permissions),
        tenantId: config.tenantId,
        environmentId: config.environmentId,
        subjectType,
      };
      return {
        access_token: signJwt({ ...claims }, { ...signingKey, typ: ACCESS_TOKEN_TYPE }),
        refresh_token: refreshToken,
        token_type: "Bearer",
        expires_in: config.accessTokenTtl,
        user,
      } satisfies ResultOf<"auth.createSession">;
    };

    /** For how long an ended session has to be remembered, in seconds; clocks differ a little. */
    const memory = config.accessTokenTtl + 60;

    /**
     * Ends sessions and tells every node, which then refuses what is left of their access tokens. Fails
     * where nobody can be told; to do it again tells of those that have ended as well.
     */
    const end = async (ctx: Caller, which: { id: string } | { userId: string }) => {
      const until = Math.ceil(Date.now() / 1000) + memory;
      const ended = await this.sessions.endSessions(which, memory);
      for (const sid of ended) revocationsOf(broker).add(sid, until);
      for (const sid of ended)
        await ctx.broadcast("session.revoked", { sid, until }, { throwError: true });
    };

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            createSession: async (ctx) => {
              const { refreshToken, expiresAt } = makeRefreshToken();
              const { userId } = ctx.params;
              const identity = await ctx.call("users.identity", { id: userId });
              const sid = await this.sessions.createSession(userId, refreshToken, expiresAt);
              return mint(identity, sid, refreshToken);
            },

            refresh: async (ctx) => {
              const { refresh_token } = ctx.params;
              const { refreshToken, expiresAt } = makeRefreshToken();
              // asked first: while users is away, the token is not used up
              const userId = await this.sessions.userOf(refresh_token);
              const identity = userId && (await ctx.call("users.identity", { id: userId }));
              const rotation = await this.sessions.rotate(refresh_token, refreshToken, expiresAt);
              if (rotation.outcome === "reused") {
                await end(ctx, { id: rotation.sessionId });
                throw new CitadelError("RefreshTokenReused");
              }
              if (rotation.outcome === "invalid" || !identity)
                throw new CitadelError("RefreshTokenInvalid");
              return mint(identity, rotation.sessionId, refreshToken);
            },

            logout: (ctx) => end(ctx, { id: ctx.locals.user.sid }),

            logoutAll: (ctx) => end(ctx, { userId: ctx.locals.user.sub }),

            endSessions: (ctx) => end(ctx, { userId: ctx.params.userId }),

            revocations: async () => {
              const ended = await this.sessions.endedSessions(memory);
              const sessions = ended.map(({ id, endedAt }) => ({
                hash: hashOfSession(id),
                until: Math.ceil(endedAt.getTime() / 1000) + memory,
              }));
              return { sessions };
            },

            whoami: async (ctx) => ({ message: "Access granted", user: { ...ctx.locals.user } }),

            jwks: async () => ({ keys: [signingKey.jwk] }),
          },
          events: {
            "user.removed": (ctx) => end(ctx, { userId: ctx.params.id }),
          },
        },
        {
          mixins: [
            database({ schema: "auth", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            this.sessions = new AuthRepository(this.db);
          },
        },
      ),
    );
  }
}
