import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBroker } from "moleculer";
import { afterAll, describe, expect, it, vi } from "vitest";
import { brokerOptions, configure } from "../../../moleculer.config.ts";

describe("A call without a service, in the process of an action that declares operator", () => {
  const folder = mkdtempSync(join(tmpdir(), "citadel-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  const call = async (isProduction: boolean) => {
    const env = { NODE_ENV: "test", DATA_DIR: folder, METRICS_PORT: "off", LOG_LEVEL: "silent" };
    const config = { ...configure(env), production: isProduction };
    const broker = new ServiceBroker(brokerOptions(config));
    const handler = vi.fn<() => string>(() => "ran");
    const access = { restricted: ["users"], operator: true, auth: "none" };
    // a service whose name begins with $ needs no credential
    broker.createService({ name: "$probe", actions: { run: { ...access, handler } as object } });
    await broker.start();
    const outcome = await broker.call("$probe.run").catch(({ type }: { type: string }) => type);
    await broker.stop();
    return { outcome, runs: handler.mock.calls.length };
  };

  it("runs in development", async () => {
    expect(await call(false)).toEqual({ outcome: "ran", runs: 1 });
  });

  it("is refused in production", async () => {
    expect(await call(true)).toEqual({ outcome: "ServiceTokenRequired", runs: 0 });
  });
});
