import { defineConfig } from "vitest/config";

/** The tests that need a browser: `npm run test:e2e`. */
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
