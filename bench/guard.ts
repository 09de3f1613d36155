import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { type BrokerOptions, type Context, ServiceBroker } from "moleculer";
import { makeSecrets } from "../lib/deployment/secrets.ts";
import { serviceGuard } from "../middlewares/service-guard/index.ts";
import { openDatabase } from "../lib/database/database.ts";
import { endorse } from "../lib/tokens/key-endorsement.ts";
import { signCallToken } from "../lib/tokens/service-token.ts";
import { readSigningKey } from "../lib/tokens/signing-key.ts";

// What the guard costs a call: the same two services on a bare broker and on a guarded one, in one run.

const ROUNDS = 15;
/** How often each action is called in a round. */
const CALLS = { "callee.nothing": 4_000, "callee.row": 150 };

type Action = keyof typeof CALLS;

const INTERNAL = [
  "ActionHook",
  "Validator",
  "Bulkhead",
  "Cacher",
  "CircuitBreaker",
  "Timeout",
  "Retry",
  "ContextTracker",
  "Fallback",
];

const folder = mkdtempSync(join(tmpdir(), "citadel-bench-"));
const secrets = join(folder, "secrets");
const { db, close } = await openDatabase({
  databaseUrl: undefined,
  dataDir: folder,
  onError: console.error,
});
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
      nothing: { restricted: ["caller"], params, handler: async (ctx: Context) => ctx.params },
      row: { restricted: ["caller"], params, handler: () => sql`select now()`.execute(db) },
    },
  } as never);
  broker.createService({
    name: "caller",
    actions: {
      run: {
        restricted: null,
        async handler(ctx: Context<{ action: Action }>) {
          const { action } = ctx.params;
          const id = "5f6a37f5-8c3f-4f5f-9b2e-000000000000";
          for (let at = 0; at < CALLS[action]; at++) await ctx.call(action, { id, limit: 20 });
        },
      },
    },
  } as never);
  await broker.start();
  return broker;
}

const [bare, guarded] = [await start(false), await start(true)];

/** Microseconds a call. */
async function time(broker: ServiceBroker, action: Action): Promise<number> {
  const started = performance.now();
  await broker.call("caller.run", { action });
  return ((performance.now() - started) * 1000) / CALLS[action];
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function compare(action: Action, what: string): Promise<void> {
  for (const broker of [bare, guarded, bare, guarded]) await time(broker, action);
  const pairs: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++)
    pairs.push([await time(bare, action), await time(guarded, action)]);
  const [without, withGuard] = [
    median(pairs.map(([one]) => one)),
    median(pairs.map(([, two]) => two)),
  ];
  const ratio = median(pairs.map(([one, two]) => two / one));
  console.log(
    `${what.padEnd(32)} bare ${without.toFixed(2)} µs, guarded ${withGuard.toFixed(2)} µs, ratio ${ratio.toFixed(3)}`,
  );
}

console.log("A call within the process, median of the rounds:");
await compare("callee.nothing", "an action that does nothing");
await compare("callee.row", "one that asks the database");

await Promise.all([bare.stop(), guarded.stop()]);
await close();
rmSync(folder, { recursive: true });
