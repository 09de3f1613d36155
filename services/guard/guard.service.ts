import { join } from "node:path";
import type { Kysely } from "kysely";
import { type Context, Service, type ServiceBroker } from "moleculer";
import { attachAuthority, GuardAuthority, refusalsOfAllNodes } from "moleculer-service-guard";
import { type AccessTokenClaims, holds } from "../../lib/tokens/access-token.ts";
import { configOf, contractsOf } from "../../lib/context/attachment.ts";
import { secretOf } from "../../lib/context/secret-of.ts";
import type { AuditEntry } from "../../lib/audit/audit.ts";
import { auditEventsOf, mayAudit } from "../../lib/audit/declared-events.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { hasQueue } from "../../lib/contract/queue-actions.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import { audit } from "../../middlewares/audit.ts";
import { implement } from "../../lib/contract/implement.ts";
import { database } from "../../mixins/database.ts";
import { type AuditDatabase, AuditRepository } from "./audit.repository.ts";
import {
  type CredentialDatabase,
  CredentialRepository,
  toCredential,
} from "./credential.repository.ts";
import { contract } from "./guard.contract.ts";
import { queuesOf } from "./queues.ts";

/** Creates the services' credentials, issues identity tokens for them, and stores the audit trail. */
export default class GuardService extends Service {
  declare db: Kysely<CredentialDatabase & AuditDatabase>;
  declare authority: GuardAuthority;
  declare trail: AuditRepository;
  declare detach: (() => void) | undefined;

  constructor(broker: ServiceBroker) {
    super(broker);
    const { serviceIdentityTtl: identityTtl, natsUrl, production } = configOf(broker);
    const signingKey = secretOf(broker, contract, "signing_key");

    /** In development, in one process, the REPL may call without a user. Otherwise a user with guard:operate has to. */
    const mustOperate = (user: AccessTokenClaims | undefined) => {
      if (!production && !natsUrl) return;
      if (!user) throw new CitadelError("AccessTokenRequired");
      if (!holds(user, "guard:operate")) throw new CitadelError("UserNotAuthorized");
    };

    const contracts = loadContracts();
    const auditEvents = new Set(auditEventsOf(contracts.values()).map(({ event }) => event));

    const mustBeAuditEvent = (event: string | undefined) => {
      if (event === undefined || auditEvents.has(event)) return;
      const message = `Must be one of: ${[...auditEvents].join(", ")}.`;
      throw new CitadelError("VALIDATION_ERROR", {
        data: [{ field: "event", type: "enumValue", message }],
      });
    };

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            generate: async (ctx) => {
              mustOperate(ctx.locals.user);
              const { service } = ctx.params;
              const { credential, id } = this.authority.generate(service);
              audit(ctx, { event: "credential.generated", subject: { id, name: service } });
              return credential;
            },

            refusals: async (ctx) => {
              mustOperate(ctx.locals.user);
              return refusalsOfAllNodes(ctx as unknown as Context);
            },

            credentials: async () => {
              const records = await this.authority.list();
              return { items: records.map(toCredential) };
            },

            revoke: async (ctx) => {
              const { id } = ctx.params;
              const record = await this.authority.revoke(id);
              if (!record)
                throw new CitadelError("NotFound", {
                  message: "No credential with this id was ever used.",
                });
              audit(ctx, {
                event: "credential.revoked",
                subject: { id, name: record.service },
              });
              return toCredential(record);
            },

            record: async (ctx) => {
              const { caller } = ctx.locals;
              // for the type only: `restricted` has refused calls without a caller
              if (caller === undefined) throw new CitadelError("ServiceTokenRequired");
              const entries = ctx.params.entries as AuditEntry[];
              const declared = entries.filter(({ event }) =>
                mayAudit(contracts.get(caller), event),
              );
              await this.trail.append(caller, declared);
              // the caller writes refused entries to its log
              if (declared.length < entries.length) throw new CitadelError("ServiceNotAuthorized");
            },

            audit: (ctx) => {
              mustBeAuditEvent(ctx.params.event);
              return this.trail.list(ctx.params);
            },

            jobs: async (ctx) => {
              const services = [...contractsOf(broker).values()].filter(hasQueue);
              const items = await Promise.all(services.map(({ name }) => queuesOf(ctx, name)));
              return { items, nextCursor: null };
            },
          },
        },
        {
          mixins: [
            database({ schema: "guard", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            const store = new CredentialRepository(this.db);
            this.authority = new GuardAuthority({ signingKey, store, identityTtl });
            this.trail = new AuditRepository(this.db);
            this.detach = attachAuthority(broker, this.authority);
          },
          // nothing is attached where `started` has failed
          stopped: () => this.detach?.(),
        },
      ),
    );
  }
}
