import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { configOf } from "../../lib/context/attachment.ts";
import { Encryption } from "../../lib/encryption.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { makeOpaqueToken } from "../../lib/tokens/opaque-token.ts";
import { hashOfSession } from "../../lib/tokens/revocations.ts";
import { audit } from "../../middlewares/audit.ts";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import { implement } from "../../lib/contract/implement.ts";
import { database } from "../../mixins/database.ts";
import { every, timers } from "../../mixins/timers.ts";
import { FIRST_GENERATION, type Holder, mint } from "./tokens/access-tokens.ts";
import { contract } from "./auth.contract.ts";
import { identityIn, toUser } from "./identity.ts";
import { impersonationActions } from "./sessions/impersonation.actions.ts";
import { KeyRing, LOOK_INTERVAL } from "./signing-keys/key-ring.ts";
import { refresher } from "./sessions/refresh.ts";
import { RefreshTokensRepository } from "./sessions/refresh-tokens.repository.ts";
import { serviceAccountActions } from "./service-accounts/service-accounts.actions.ts";
import { ServiceAccountsRepository } from "./service-accounts/service-accounts.repository.ts";
import { endSessions, renewSessions, type Teller } from "./sessions/session-end.ts";
import { SessionEndsRepository, type Which } from "./sessions/session-ends.repository.ts";
import { SessionsRepository } from "./sessions/sessions.repository.ts";
import { SigningKeysRepository } from "./signing-keys/signing-keys.repository.ts";
import type { AuthDatabase } from "./tables.ts";
import { inSeconds, LEEWAY } from "./tokens/token-life.ts";
import { tokenEndpointActions } from "./tokens/token-endpoint.actions.ts";

/** How often is deleted what does not matter any more, in milliseconds. */
const PURGE_INTERVAL = 600_000;

/** Sessions and the tokens that prove them. Who the users are, the users service knows. */
export default class AuthService extends Service {
  declare db: Kysely<AuthDatabase>;
  declare sessions: SessionsRepository;
  declare sessionEnds: SessionEndsRepository;
  declare refreshTokens: RefreshTokensRepository;
  declare accounts: ServiceAccountsRepository;
  declare keys: KeyRing;
  /** Deletes what does not matter any more; several nodes may do so at once. */
  declare purge: () => Promise<void>;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const { accessTokenTtl, refreshTokenTtl, issuer } = config;
    const encryption = readEncryption(config.secret("auth", "encryption_key"));

    this.purge = async () => {
      const purges = {
        "refresh tokens": () => this.refreshTokens.purge(),
        sessions: () => this.sessionEnds.purge(),
        keys: () => this.keys.purge(accessTokenTtl + LEEWAY),
      };
      // one that fails does not keep the others from it
      for (const [what, purge] of Object.entries(purges))
        await purge().catch((err: unknown) =>
          this.logger.warn({ err }, `Old ${what} could not be deleted. It is tried again.`),
        );
    };

    const sign = (holder: Holder) => mint(holder, this.keys.current, config);

    const end = (ctx: Teller, which: Which) => endSessions(ctx, this.sessionEnds, which);

    const refresh = refresher({
      refreshTokens: () => this.refreshTokens,
      end,
      sign,
      derive: (value) => encryption.derive(value, "refresh token"),
      refreshTokenTtl,
    });

    const tellOfNewKey = async (ctx: Teller, { kid, alg }: { kid: string; alg: string }) => {
      audit(ctx, { event: "signing-key.rotated", data: { kid, alg } });
      await ctx.broadcast("signing-keys.changed", {});
    };

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            generateToken: async (ctx) => {
              const { userId, sessionId: sid = randomUUID() } = ctx.params;
              const refreshToken = makeOpaqueToken();
              const expiresAt = inSeconds(refreshTokenTtl);
              const { client } = ctx.meta;
              await this.db.transaction().execute(async (trx) => {
                await this.sessions.create({ id: sid, userId, expiresAt, client }, trx);
                await this.refreshTokens.store(sid, refreshToken, expiresAt, trx);
              });
              const identity = await identityIn(ctx, this.sessions, sid, userId);
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
                user: toUser(identity),
              };
            },

            verifyToken: async (ctx) => accessTokenVerifierOf(broker).verify(ctx.params.token),

            ready: async () => {
              await this.sessions.ping();
              // throws while no key is loaded
              void this.keys.current;
            },

            refresh: async (ctx) => (await refresh(ctx, ctx.params)).tokens,

            logout: async (ctx) => {
              const { sub: userId, sid: id } = ctx.locals.user;
              await end(ctx, { id, userId });
            },

            logoutAll: async (ctx) => {
              await this.sessions.mustBeConfirmed(ctx.locals.user.sid);
              await end(ctx, { userId: ctx.locals.user.sub });
            },

            sessions: (ctx) =>
              this.sessions.list(ctx.locals.user.sub, ctx.locals.user.sid, ctx.params),

            revokeSession: async (ctx) => {
              const { sub: userId, sid } = ctx.locals.user;
              if (ctx.params.id !== sid) await this.sessions.mustBeConfirmed(sid);
              if (!(await end(ctx, { id: ctx.params.id, userId })))
                throw new CitadelError("NotFound", {
                  message: "You have no such session; it may have ended.",
                });
            },

            confirmSession: (ctx) => this.sessions.confirm(ctx.params.id),

            renewSessions: (ctx) => renewSessions(ctx, this.sessionEnds, ctx.params.userId),

            endSessions: async (ctx) => {
              const { userId, except, only } = ctx.params;
              await end(ctx, only === undefined ? { userId, except } : { userId, id: only });
            },

            ...impersonationActions({ sessions: () => this.sessions, sign, accessTokenTtl }),

            ...serviceAccountActions({ accounts: () => this.accounts, end }),

            ...tokenEndpointActions({ accounts: () => this.accounts, refresh, sign, issuer }),

            rotateKeys: async (ctx) => {
              const { kid, alg, startsIn, isMade } = await this.keys.rotate();
              if (isMade) await tellOfNewKey(ctx, { kid, alg });
              return { kid, alg, signsFrom: inSeconds(startsIn).toISOString() };
            },

            revocations: async () => {
              const recalled = await this.sessionEnds.recalled();
              return {
                sessions: recalled.map(({ id, ...rest }) => ({ hash: hashOfSession(id), ...rest })),
              };
            },

            whoami: async (ctx) => ({
              message: "Access granted",
              user: accessTokenVerifierOf(broker).claimsOf(ctx.locals.user),
            }),

            jwks: async () => ({ keys: this.keys.published }),
          },
          events: {
            "user.removed": async (ctx) => {
              await end(ctx, { userId: ctx.params.id });
            },
            "signing-keys.changed": async () => {
              await this.keys.load();
            },
          },
        },
        {
          mixins: [
            database({ schema: "auth", migrations: join(import.meta.dirname, "migrations") }),
            timers,
          ],
          started: async () => {
            this.sessions = new SessionsRepository(this.db, config);
            this.sessionEnds = new SessionEndsRepository(this.db, config);
            this.refreshTokens = new RefreshTokensRepository(this.db, config);
            this.accounts = new ServiceAccountsRepository(this.db, this.sessions);
            this.keys = new KeyRing({
              repository: new SigningKeysRepository(this.db),
              encryption,
              alg: config.accessTokenAlg,
              maxAge: config.signingKeyMaxAge,
            });
            await this.keys.open(!config.natsUrl);
            every(this, LOOK_INTERVAL, async () => {
              const made = await this.keys.look();
              if (made) await tellOfNewKey(ownContext(this), made);
            });
            every(this, PURGE_INTERVAL, () => this.purge());
          },
        },
      ),
    );
  }
}

/** @throws Error that says what to do without a key that can be used */
function readEncryption(keys: string | undefined): Encryption {
  try {
    return new Encryption(keys ?? "");
  } catch (cause) {
    throw new Error(
      "AUTH_ENCRYPTION_KEY is missing or no key, so auth cannot read its signing keys. Set it to the key " +
        "that was used before; for a new deployment 'npm run credentials -- <folder>' makes one.",
      { cause },
    );
  }
}
