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
import { readSigningKey } from "../../lib/signing-key.ts";
import { implement } from "../../mixins/contract.ts";
import { database } from "../../mixins/database.ts";
import { contract } from "./auth.contract.ts";
import { AuthRepository } from "./auth.repository.ts";

/** Sessions and the tokens that prove them. Who the users are, the users service knows. */
export default class AuthService extends Service {
  declare db: Kysely<never>;
  declare sessions: AuthRepository;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const signingKey = readSigningKey(config.secret("auth", "signing_key") ?? "");

    const makeRefreshToken = () => ({
      refreshToken: randomBytes(32).toString("base64url"),
      expiresAt: new Date(Date.now() + config.refreshTokenTtl * 1000),
    });

    /** The access token for a session, with what the users service says of the user now. */
    const mint = async (ctx: Caller, userId: string, sid: string, refreshToken: string) => {
      const { permissions, subjectType, ...user } = await ctx.call("users.identity", {
        id: userId,
      });
      const iat = Math.floor(Date.now() / 1000);
      const claims: AccessTokenClaims = {
        iss: config.issuer,
        aud: config.issuer,
        sub: userId,
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

    /** Ends sessions and tells every node, which then refuses what is left of their access tokens. */
    const end = async (ctx: Caller, which: { id: string } | { userId: string }) => {
      const until = Math.ceil(Date.now() / 1000) + config.accessTokenTtl;
      for (const sid of await this.sessions.endSessions(which))
        await ctx.broadcast("session.revoked", { sid, until });
    };

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            createSession: async (ctx) => {
              const { refreshToken, expiresAt } = makeRefreshToken();
              const { userId } = ctx.params;
              const sid = await this.sessions.createSession(userId, refreshToken, expiresAt);
              return mint(ctx, userId, sid, refreshToken);
            },

            refresh: async (ctx) => {
              const { refreshToken, expiresAt } = makeRefreshToken();
              const rotation = await this.sessions.rotate(
                ctx.params.refresh_token,
                refreshToken,
                expiresAt,
              );
              if (rotation.outcome === "reused") {
                await end(ctx, { id: rotation.sessionId });
                throw new CitadelError("RefreshTokenReused");
              }
              if (rotation.outcome === "invalid") throw new CitadelError("RefreshTokenInvalid");
              return mint(ctx, rotation.userId, rotation.sessionId, refreshToken);
            },

            logout: (ctx) => end(ctx, { id: ctx.locals.user.sid }),

            logoutAll: (ctx) => end(ctx, { userId: ctx.locals.user.sub }),

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
