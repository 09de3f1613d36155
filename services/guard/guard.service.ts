import { join } from "node:path";
import type { Kysely } from "kysely";
import { type Context, Service, type ServiceBroker } from "moleculer";
import { type AccessTokenClaims, holds } from "../../lib/tokens/access-token.ts";
import { configOf } from "../../lib/attachment.ts";
import type { ResultOf } from "../../lib/contract.ts";
import type { AuditEntry } from "../../lib/audit.ts";
import { CitadelError } from "../../lib/errors.ts";
import type { Claims } from "../../lib/tokens/jwt.ts";
import { endorse } from "../../lib/tokens/key-endorsement.ts";
import { ProofVerifier } from "../../lib/tokens/request-proof.ts";
import {
  readCredential,
  recallCredential,
  signCallToken,
  signCredential,
} from "../../lib/tokens/service-token.ts";
import { readSigningKeys } from "../../lib/tokens/signing-key.ts";
import {
  CREDENTIAL_HEADER,
  CREDENTIAL_PROOF_HEADER,
} from "../../middlewares/service-guard/headers.ts";
import { audit } from "../../middlewares/audit.ts";
import { implement } from "../../mixins/contract.ts";
import { database } from "../../mixins/database.ts";
import { type AuditDatabase, AuditRepository } from "./audit.repository.ts";
import { contract } from "./guard.contract.ts";
import { GuardRepository, type GuardDatabase } from "./guard.repository.ts";

/** Gives services the tokens by which they prove themselves to each other. */
export default class GuardService extends Service {
  declare db: Kysely<GuardDatabase & AuditDatabase>;
  declare credentials: GuardRepository;
  declare trail: AuditRepository;

  constructor(broker: ServiceBroker) {
    super(broker);
    const { serviceIdentityTtl, natsUrl, production, secret } = configOf(broker);
    // the first signs; the others are on their way in or out
    const keys = readSigningKeys(secret("guard", "signing_key") ?? "");
    const [signingKey] = keys;
    const proofs = new ProofVerifier();

    /** The credential whose holder makes this very request. */
    const provedCredential = (params: unknown, headers: Record<string, unknown>): Claims => {
      const { [CREDENTIAL_HEADER]: name, [CREDENTIAL_PROOF_HEADER]: proof } = headers;
      if (name === undefined) throw new CitadelError("ServiceTokenRequired");
      try {
        const { claims, secret: key } = recallCredential(keys, name);
        const target = "guard.exchange";
        const request = { service: claims.sub, target, nodeID: broker.nodeID, params };
        proofs.verify(proof, { key, alg: "HS256" }, { ...request, token: name as string }, target);
        return claims;
      } catch (cause) {
        throw new CitadelError("ServiceTokenInvalid", { cause });
      }
    };

    /** In one process in development the REPL may ask; where others are on the bus, an operator must. */
    const mustOperate = (user: AccessTokenClaims | undefined) => {
      if (!production && !natsUrl) return;
      if (!user) throw new CitadelError("AccessTokenRequired");
      if (!holds(user, "guard:operate")) throw new CitadelError("UserNotAuthorized");
    };

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            exchange: async (ctx) => {
              const { audience, jwk } = ctx.params;
              const claims = provedCredential(ctx.params, ctx.headers);
              if (!(await this.credentials.use(claims)))
                throw new CitadelError("ServiceTokenInvalid");
              const token = signCallToken(signingKey, {
                sub: claims.sub,
                aud: audience,
                cid: claims.jti,
                lifetime: serviceIdentityTtl,
                cnf: { jwk },
              });
              return { token, expiresIn: serviceIdentityTtl };
            },

            jwks: async () => ({ keys: keys.map(({ jwk }) => jwk), endorsements: endorse(keys) }),

            generate: async (ctx) => {
              mustOperate(ctx.locals.user);
              const { service } = ctx.params;
              const credential = signCredential(signingKey, service);
              const { claims } = recallCredential(keys, readCredential(credential).name);
              audit(ctx, {
                event: "credential.generated",
                subject: { id: claims.jti, name: service },
              });
              return credential;
            },

            denials: async (ctx) => {
              mustOperate(ctx.locals.user);
              return this.denialsOfAllNodes(ctx as unknown as Context);
            },

            credentials: async () => ({ items: await this.credentials.list() }),

            revoke: async (ctx) => {
              const { id } = ctx.params;
              const credential = await this.credentials.revoke(id);
              if (!credential)
                throw new CitadelError("NotFound", {
                  message: "No such credential was ever used.",
                });
              await ctx.broadcast("credential.revoked", { id });
              audit(ctx, {
                event: "credential.revoked",
                subject: { id, name: credential.service },
              });
              return credential;
            },

            record: async (ctx) => {
              const { caller } = ctx.locals;
              // its declaration lets in nobody else
              if (caller === undefined) throw new CitadelError("ServiceTokenRequired");
              await this.trail.append(caller, ctx.params.entries as AuditEntry[]);
            },

            audit: (ctx) => this.trail.list(ctx.params),
          },
        },
        {
          mixins: [
            database({ schema: "guard", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            this.credentials = new GuardRepository(this.db);
            this.trail = new AuditRepository(this.db);
          },
        },
      ),
    );
  }

  /** Every node keeps its own; the middleware has an action for that on each. */
  private async denialsOfAllNodes(ctx: Context): Promise<ResultOf<"guard.denials">> {
    const action = "$guard.denials";
    const endpoints = this.broker.registry.getActionEndpoints(action)?.endpoints ?? [];
    const answers = await Promise.allSettled(
      endpoints.map(({ id }) =>
        ctx.call<ResultOf<"guard.denials">, object>(action, {}, { nodeID: id, timeout: 2_000 }),
      ),
    );
    const lists = answers.flatMap((answer) =>
      answer.status === "fulfilled" ? [answer.value] : [],
    );
    const counts = new Map<string, ResultOf<"guard.denials">["counts"][number]>();
    for (const { target, type, count } of lists.flatMap((list) => list.counts)) {
      const id = `${target} ${type}`;
      counts.set(id, { target, type, count: count + (counts.get(id)?.count ?? 0) });
    }
    return {
      last: lists
        .flatMap(({ last }) => last)
        .toSorted((a, b) => b.at.localeCompare(a.at))
        .slice(0, 100),
      counts: [...counts.values()].toSorted((a, b) => b.count - a.count),
    };
  }
}
