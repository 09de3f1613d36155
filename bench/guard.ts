import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrokerOptions, type Context, ServiceBroker } from "moleculer";
import { makeSecrets } from "../lib/secrets.ts";
import { serviceGuard } from "../middlewares/service-guard/index.ts";
import { endorse } from "../lib/key-endorsement.ts";
import { signCallToken } from "../lib/service-token.ts";
import { readSigningKey } from "../lib/signing-key.ts";

// What the guard costs a call: the same two services on a bare broker and on a guarded one, in one run.

const ROUNDS = 15;
const CALLS = 4_000;

const INTERNAL = [
  "ActionHook",
  "Validator",
  "Bulkhead",
  "Cacher",
  "ContextTracker",
  "CircuitBreaker",
  "Timeout",
  "Retry",
  "Fallback",
];

const secrets = mkdtempSync(join(tmpdir(), "citadel-bench-"));
makeSecrets(secrets, ["guard", "caller", "callee"]);
const key = readSigningKey(readFileSync(join(secrets, "guard", "signing_key"), "utf8"));
const credential = (service: string) => readFileSync(join(secrets, service, "auth_token"), "utf8");

/** The application's own settings (moleculer.config.ts), without its proofs. */
const BARE: BrokerOptions = {
  uidGenerator: () => randomUUID(),
  requestTimeout: 10_000,
  circuitBreaker: { enabled: true },
  bulkhead: { enabled: true, concurrency: 200, maxQueueSize: 2_000 },
  tracking: { enabled: true },
  logger: false,
  internalServices: false,
  internalMiddlewares: false,
  skipProcessEventRegistration: true,
};

/** The guard's part, without a database. */
const guard = {
  name: "guard",
  actions: {
    jwks: { restricted: null, handler: () => ({ keys: [key.jwk], endorsements: endorse([key]) }) },
    exchange: {
      restricted: null,
      handler: ({ params }: Context<{ audience: string; jwk: never }>) => ({
        token: signCallToken(key, {
          sub: "caller",
          aud: params.audience,
          cid: "bench",
          lifetime: 3_600,
          cnf: { jwk: params.jwk },
        }),
        expiresIn: 3_600,
      }),
    },
  },
};

async function start(isGuarded: boolean) {
  const guardMiddleware = serviceGuard({ services: ["caller", "callee"], credential });
  const broker = new ServiceBroker({
    ...BARE,
    middlewares: [...INTERNAL, ...(isGuarded ? [guardMiddleware as never] : []), "ErrorHandler"],
  });
  const params = { id: "uuid", limit: { type: "number", min: 1, max: 100 } };
  broker.createService(guard as never);
  broker.createService({
    name: "callee",
    actions: {
      get: { restricted: ["caller"], params, handler: async (ctx: Context) => ctx.params },
    },
  } as never);
  broker.createService({
    name: "caller",
    actions: {
      run: {
        restricted: null,
        async handler(ctx: Context) {
          const id = "5f6a37f5-8c3f-4f5f-9b2e-000000000000";
          for (let at = 0; at < CALLS; at++) await ctx.call("callee.get", { id, limit: 20 });
        },
      },
    },
  } as never);
  await broker.start();
  return broker;
}

const [bare, guarded] = [await start(false), await start(true)];

async function time(broker: ServiceBroker): Promise<number> {
  const started = performance.now();
  await broker.call("caller.run");
  return ((performance.now() - started) * 1000) / CALLS;
}

for (const broker of [bare, guarded, bare, guarded]) await time(broker);
const ratios: number[] = [];
const micros: [number, number][] = [];
for (let round = 0; round < ROUNDS; round++) {
  const pair: [number, number] = [await time(bare), await time(guarded)];
  micros.push(pair);
  ratios.push(pair[1] / pair[0]);
}
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
console.log(
  `in process: bare ${median(micros.map(([one]) => one)).toFixed(2)} µs, ` +
    `guarded ${median(micros.map(([, two]) => two)).toFixed(2)} µs a call, ratio ${median(ratios).toFixed(3)}`,
);
await Promise.all([bare.stop(), guarded.stop()]);
rmSync(secrets, { recursive: true });
