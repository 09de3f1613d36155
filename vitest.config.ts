import { defineConfig } from "vitest/config";

/** The suites that run against every form of the application. */
const APPLICATION = ["test/integration/**/*.test.ts", "test/attacks/**/*.test.ts"];

const form = (topology: "process" | "nats" | "postgres") => ({
  extends: true as const,
  test: {
    name: topology,
    include: [...APPLICATION, `test/${topology}/**/*.test.ts`],
    provide: { topology },
  },
});

export default defineConfig({
  test: {
    // Node itself loads the files, as it does in production
    experimental: { viteModuleRunner: false },
    globalSetup: "test/helpers/servers.ts",
    pool: "forks",
    testTimeout: 20_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      { extends: true, test: { name: "commands", include: ["test/commands/**/*.test.ts"] } },
      form("process"),
      form("nats"),
      form("postgres"),
    ],
  },
});
