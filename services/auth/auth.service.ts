import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import { configOf, contractsOf } from "../../lib/context/attachment.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import type { Events, Jobs } from "../../lib/contract/durable.ts";
import { implement } from "../../lib/contract/implement.ts";
import { deleteOldRequests, type IdempotencyDatabase } from "../../lib/database/idempotency.ts";
import { purgeAll } from "../../lib/database/purge.ts";
import { Encryption } from "../../lib/encryption.ts";
import { audit } from "../../middlewares/audit.ts";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { database } from "../../mixins/database.ts";
import { queue } from "../../mixins/queue.ts";
import { every, timers } from "../../mixins/timers.ts";
import { contract } from "./auth.contract.ts";
import { ServiceAccountGrants } from "./service-accounts/grants.ts";
import { serviceAccountActions } from "./service-accounts/service-accounts.actions.ts";
import { ServiceAccountsRepository } from "./service-accounts/service-accounts.repository.ts";
import { impersonationActions } from "./sessions/impersonation.actions.ts";
import { makeRefresh } from "./sessions/refresh.ts";
import { RefreshTokensRepository } from "./sessions/refresh-tokens.repository.ts";
import { RevocationsRepository, type SessionSelection } from "./sessions/revocations.repository.ts";
import { type CallContext, SessionRevocation } from "./sessions/session-revocation.ts";
import { sessionActions } from "./sessions/sessions.actions.ts";
import { SessionsRepository } from "./sessions/sessions.repository.ts";
import { CHECK_INTERVAL, SigningKeys } from "./signing-keys/signing-keys.ts";
import { type NewKey, SigningKeysRepository } from "./signing-keys/signing-keys.repository.ts";
import type { AuthDatabase } from "./tables.ts";
import { signAccessToken, type TokenSubject } from "./tokens/access-tokens.ts";
import { LEEWAY, secondsFromNow } from "./tokens/expiry.ts";
import { tokenEndpointActions } from "./tokens/token-endpoint.actions.ts";

/** Sessions, and the tokens issued in them. The users are the users service's. */
export default class AuthService extends Service {
  declare db: Kysely<AuthDatabase & IdempotencyDatabase>;
  declare events: Events<typeof contract>;
  declare jobs: Jobs<typeof contract>;
  declare sessions: SessionsRepository;
  declare revocation: SessionRevocation;
  declare revocations: RevocationsRepository;
  declare refreshTokens: RefreshTokensRepository;
  declare accounts: ServiceAccountsRepository;
  declare keys: SigningKeys;
  /** Deletes what has expired. */
  declare purge: () => Promise<void>;

  constructor(broker: ServiceBroker) {
    super(broker);
    const config = configOf(broker);
    const { accessTokenTtl, refreshTokenTtl, issuer } = config;
    const encryption = readEncryption(config.secret("auth", "encryption_key"));

    this.purge = () =>
      purgeAll([
        () => this.refreshTokens.purge(),
        () => this.revocations.purge(),
        () => this.keys.purge(accessTokenTtl + LEEWAY),
        () => deleteOldRequests(this.db),
      ]);

    const sign = (subject: TokenSubject) => signAccessToken(subject, this.keys.current, config);

    const end = (ctx: CallContext, selection: SessionSelection) =>
      this.revocation.end(ctx, selection);

    const refresh = makeRefresh({
      refreshTokens: () => this.refreshTokens,
      endSession: end,
      sign,
      derive: (value) => encryption.derive(value, "refresh token"),
      refreshTokenTtl,
    });

    const auditNewKey = (
      ctx: Pick<CallContext, "broker">,
      { kid, alg }: Pick<NewKey, "kid" | "alg">,
    ) => audit(ctx, { event: "signing-key.rotated", data: { kid, alg } });

    this.parseServiceSchema(
      implement<typeof contract, AuthDatabase>(
        contract,
        {
          actions: {
            ...sessionActions({ repositories: () => this, sign, refreshTokenTtl }),

            refresh: async (ctx) => (await refresh(ctx, ctx.params)).tokens,

            ...impersonationActions({ sessions: () => this.sessions, sign, accessTokenTtl }),

            ...serviceAccountActions({
              grants: new ServiceAccountGrants(contractsOf(broker), config),
              accounts: () => this.accounts,
              endSession: end,
            }),

            ...tokenEndpointActions({ accounts: () => this.accounts, refresh, sign, issuer }),

            verifyToken: async (ctx) => accessTokenVerifierOf(broker).verify(ctx.params.token),

            whoami: async (ctx) => ({
              message: "Access granted",
              user: accessTokenVerifierOf(broker).claimsOf(ctx.locals.user),
            }),

            context: async (ctx) => ctx.locals.authContext,

            jwks: async () => ({ keys: this.keys.published }),

            rotateKeys: async (ctx) => {
              const { kid, alg, signsIn, isNew } = await this.keys.rotate();
              if (isNew) auditNewKey(ctx, { kid, alg });
              return { kid, alg, signsFrom: secondsFromNow(signsIn).toISOString() };
            },

            ready: async () => {
              await this.sessions.ping();
              // throws while no key is loaded
              void this.keys.current;
            },
          },
          events: {
            "user.removed": (ctx, trx) => this.revocation.endAll(ctx, trx, ctx.params.id),
            "signing-keys.changed": async () => {
              await this.keys.load();
            },
          },
          jobs: {
            broadcastRevocations: (ctx) =>
              ctx.broadcast("sessions.revoked", ctx.params, { throwError: true }),
            purge: () => this.purge(),
          },
        },
        {
          mixins: [
            timers,
            queue(contract),
            database({ schema: "auth", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: async () => {
            this.sessions = new SessionsRepository(this.db, config);
            const { db, jobs } = this;
            this.revocation = new SessionRevocation({ db, jobs, accessTokenTtl });
            this.revocations = new RevocationsRepository(this.db, config);
            this.refreshTokens = new RefreshTokensRepository(this.db, config);
            this.accounts = new ServiceAccountsRepository(this.db, this.sessions);
            this.keys = new SigningKeys({
              repository: new SigningKeysRepository(this.db, this.events),
              encryption,
              alg: config.accessTokenAlg,
              maxAge: config.signingKeyMaxAge,
            });
            await this.keys.open(!config.natsUrl);
            every(this, CHECK_INTERVAL, async () => {
              const created = await this.keys.check();
              if (created) auditNewKey(ownContext(this), created);
            });
          },
        },
      ),
    );
  }
}

/** @throws Error with instructions if the key is missing or invalid */
function readEncryption(keys: string | undefined): Encryption {
  try {
    return new Encryption(keys ?? "");
  } catch (cause) {
    throw new Error(
      "AUTH_ENCRYPTION_KEY is missing or invalid, so auth cannot decrypt its signing keys. Set it to the previous key; " +
        "for a new deployment 'npm run credentials -- <folder>' generates one.",
      { cause },
    );
  }
}
