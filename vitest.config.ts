import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** @throws Error for a file that was renamed: a pattern without a match would silently run nothing */
const filesIn = (folder: string, names: readonly string[]) =>
  names.map((name) => {
    const file = `test/${folder}/${name}.test.ts`;
    if (!name.includes("*") && !existsSync(file)) throw new Error(`${file} does not exist.`);
    return file;
  });
const integration = (...names: string[]) => filesIn("integration", names);
const attacks = (...names: string[]) => filesIn("attacks", names);

/** Generated requests, which take longer than other tests. */
const FUZZ = "test/process/fuzz.test.ts";

/** Packs and installs the guard's package, and runs it as several processes. */
const EXAMPLE = "packages/service-guard/test/example.test.ts";

type Topology = "process" | "nats" | "postgres";

/** Tests of an application that runs in this form. */
const form = (
  topology: Topology,
  {
    name = topology,
    include,
    exclude = [],
  }: { name?: string; include: string[]; exclude?: string[] },
) => ({
  extends: true as const,
  test: { name, include, exclude, provide: { topology } },
});

/** What `npm test` runs with a node for each service: it depends on the bus most. The nats-form project runs the rest. */
const ON_NATS = [
  ...attacks("access", "events", "service-guard"),
  ...integration("audit", "auth/token-actions", "gateway/socket-events", "gateway/sockets"),
];

export default defineConfig({
  test: {
    // Node itself loads the files, as it does in production
    experimental: { viteModuleRunner: false },
    globalSetup: "test/helpers/servers.ts",
    pool: "forks",
    // the files of one worker share the modules that Node has loaded
    isolate: false,
    // most tests wait longer than they compute
    maxWorkers: Math.max(4, availableParallelism() - 1),
    // some tests start two applications of six nodes
    testTimeout: 40_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
    coverage: {
      provider: "v8",
      include: ["moleculer.config.ts", "{lib,middlewares,mixins,repl,services}/**/*.ts"],
      reporter: ["text-summary", "html"],
    },
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      {
        extends: true,
        test: { name: "commands", include: ["test/commands/**/*.test.ts", EXAMPLE] },
      },
      {
        extends: true,
        test: {
          name: "guard",
          include: ["packages/service-guard/test/**/*.test.ts"],
          exclude: [EXAMPLE],
        },
      },
      {
        extends: true,
        test: { name: "client", include: ["packages/client/test/**/*.test.ts"] },
      },
      { extends: true, test: { name: "chaos", include: ["test/chaos/**/*.test.ts"] } },
      form("process", {
        include: [
          ...integration("**/*"),
          ...attacks("**/*"),
          "test/{clients,process}/**/*.test.ts",
        ],
        exclude: [FUZZ],
      }),
      form("process", { name: "fuzz", include: [FUZZ] }),
      // a node for each service, on PostgreSQL where there is a server
      form("nats", { include: ["test/nats/**/*.test.ts", ...ON_NATS] }),
      form("nats", {
        name: "nats-form",
        include: [...integration("**/*"), ...attacks("**/*")],
        exclude: [
          ...ON_NATS,
          // the gateway or the validator refuses these before any other node is called
          ...attacks("connections", "limits", "networks", "params", "reads", "requests"),
          ...attacks("trusted-issuers", "trusted-issuer-discovery"),
          // it starts the application as one process in production
          ...attacks("permissions-in-production"),
          // the gateway alone makes the documents, and encodes results as JSON in every form
          ...integration("gateway/openapi", "gateway/asyncapi"),
        ],
      }),
      // one process on PostgreSQL: what depends on the database. The nats forms run the rest on PostgreSQL, too
      form("postgres", { include: ["test/postgres/**/*.test.ts", ...integration("database")] }),
      form("postgres", {
        name: "postgres-form",
        include: [
          ...integration("*", "chat/*"),
          ...integration("auth/sessions", "auth/signing-keys"),
          ...integration("users/accounts", "users/second-factor"),
          ...integration("gateway/idempotency", "gateway/versions"),
        ],
        exclude: integration("database"),
      }),
    ],
  },
});
