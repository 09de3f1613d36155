import { defineConfig } from "vitest/config";

/** What needs a browser; `npm test` does not. */
export default defineConfig({
  test: {
    name: "e2e",
    include: ["test/e2e/**/*.test.ts"],
    experimental: { viteModuleRunner: false },
    globalSetup: "test/helpers/servers.ts",
    provide: { topology: "process" },
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 50 } },
  },
});
