import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** What runs against every form of the application. */
const INTEGRATION = ["test/integration/**/*.test.ts"];
/** What runs in process and over NATS alone: the database makes no difference to it. */
const ATTACKS = ["test/attacks/**/*.test.ts"];
/** Of the others, what is the gateway's alone. */
const GATEWAY = ["asyncapi", "errors", "gateway", "openapi", "socket-events", "sockets"].map(
  (name) => `test/integration/gateway/${name}.test.ts`,
);

/** What others have written against the API: its form makes no difference to them. */
const CLIENTS = ["test/clients/**/*.test.ts"];

/** Attacks that the gateway or the validator refuses in the same way whatever the form; they run in process. */
const ONE_FORM = [
  "connections",
  "limits",
  "networks",
  "params",
  "reads",
  "requests",
  "trusted-issuers",
].map((name) => `test/attacks/${name}.test.ts`);

/** Installs the packed package, and runs it as several processes. */
const EXAMPLE = "packages/service-guard/test/example.test.ts";

/** What a form leaves out. */
const EXCLUDED = { process: [], nats: ONE_FORM, postgres: GATEWAY };

const form = (topology: "process" | "nats" | "postgres") => ({
  extends: true as const,
  test: {
    name: topology,
    include: [
      ...INTEGRATION,
      ...(topology === "postgres" ? [] : ATTACKS),
      `test/${topology}/**/*.test.ts`,
      ...(topology === "process" ? CLIENTS : []),
    ],
    exclude: EXCLUDED[topology],
    provide: { topology },
  },
});

export default defineConfig({
  test: {
    // Node itself loads the files, as it does in production
    experimental: { viteModuleRunner: false },
    globalSetup: "test/helpers/servers.ts",
    pool: "forks",
    // files of one worker share what Node has loaded; each starts an application of its own
    isolate: false,
    // each waits more than it works
    maxWorkers: Math.max(4, availableParallelism() - 1),
    testTimeout: 20_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
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
      form("process"),
      form("nats"),
      form("postgres"),
    ],
  },
});
