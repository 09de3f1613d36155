import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceBroker } from "moleculer";
import { afterEach, describe, expect, it } from "vitest";
import { fileStore, guardService, makeSigningKey } from "../src/index.ts";
import { as, nodeOf, startBus, TestBus } from "./helpers/bus.ts";
import { errorOf, overNats, underLoad } from "./helpers/variants.ts";

const calls = (from: ServiceBroker) => () => as(from, (ctx) => ctx.call("b.echo", { x: 1 }));

overNats("The guard", () => {
  let bus: TestBus;
  afterEach(() => bus.stop());

  /** Renews the identities of each broker now, and waits for them. */
  const renewNow = async (brokers: ServiceBroker[]) => {
    const all = renewed(brokers, 1);
    for (const broker of brokers) nodeOf(broker).enrolment.now();
    await all;
  };

  /** Waits until each broker has had `count` new identities. */
  const renewed = async (brokers: ServiceBroker[], count: number) => {
    const before = brokers.map((broker) => nodeOf(broker).statistics.total.exchanges);
    await expect
      .poll(
        () =>
          brokers.every(
            (broker, at) => nodeOf(broker).statistics.total.exchanges >= (before[at] ?? 0) + count,
          ),
        { timeout: 15_000 },
      )
      .toBe(true);
  };

  it("renews identities of 2 s under load without a failed call", async () => {
    const started = await startBus({ identityTtl: 2 });
    bus = started.bus;
    const load = underLoad(calls(started.a));
    await renewed([started.a, started.b], 2);
    expect(await load.stop()).toEqual([]);
  });

  it("may be unavailable for a time: calls continue", async () => {
    const started = await startBus();
    bus = started.bus;
    const load = underLoad(calls(started.a));
    await started.guard.stop();
    const before = load.count();
    await expect.poll(() => load.count()).toBeGreaterThan(before + 50);
    await bus.createGuard().start();
    await renewNow([started.a, started.b]);
    expect(await load.stop()).toEqual([]);
  });

  it("announces a service that a known node creates while the guard is unavailable", async () => {
    bus = new TestBus({ names: ["a", "b", "c", "late"] });
    const guard = bus.createGuard();
    const a = bus.create("a");
    const node = bus.create("node", {
      services: [
        { name: "b", actions: { hi: { restricted: null, handler: () => "hi" } } },
      ] as never,
    });
    await Promise.all([guard, a, node].map((broker) => broker.start()));
    await bus.met();
    await guard.stop();
    node.createService({
      name: "late",
      actions: { hi: { restricted: ["a"], handler: () => "hi" } },
    } as never);
    await node.waitForServices("late", 5_000, 10);
    await a.ping(node.nodeID);
    expect((await errorOf(as(a, (ctx) => ctx.call("late.hi")))).type).toBe("SERVICE_NOT_FOUND");
    await bus.createGuard().start();
    await expect.poll(() => as(a, (ctx) => ctx.call("late.hi")).catch(String)).toBe("hi");
  });

  it("runs on several nodes with one store, and no call fails when one of them is killed", async () => {
    const started = await startBus();
    bus = started.bus;
    const second = bus.createGuard();
    await second.start();
    await bus.met();
    const load = underLoad(calls(started.a));
    await renewNow([started.a, started.b]);
    // like a killed process, without DISCONNECT
    await (started.guard.transit as any).tx.disconnect();
    await renewNow([started.a, started.b]);
    await renewNow([started.a, started.b]);
    expect(await load.stop()).toEqual([]);
  });

  it("replaces its signing key without a failed call, and refuses the tokens of the old one at once", async () => {
    const [old, fresh] = [makeSigningKey(), makeSigningKey()];
    bus = new TestBus({ signingKey: old, identityTtl: 30 });
    let guard = bus.createGuard();
    const a = bus.create("a");
    const b = bus.create("b");
    await Promise.all([guard, a, b].map((broker) => broker.start()));
    await bus.met();
    const load = underLoad(calls(a));
    const restartGuard = async (signingKey: string) => {
      await guard.stop();
      guard = bus.createGuard({ signingKey });
      await guard.start();
    };
    const kids = (broker: ServiceBroker) => nodeOf(broker).identities.last?.signer;
    const [oldKid] = [kids(a)];
    await restartGuard(old + fresh);
    await bus.met([guard, a, b]);
    await restartGuard(fresh + old);
    for (const broker of [a, b]) {
      nodeOf(broker).enrolment.now();
      await expect.poll(() => kids(broker)).not.toBe(oldKid);
    }
    expect(await load.stop()).toEqual([]);
    // the retired key's credentials are refused with it, so new ones come first, as in any rotation
    await restartGuard(fresh);
    await expect.poll(() => nodeOf(b).trusted.get(oldKid ?? "")).toBeUndefined();
  });

  describe("after a revocation", () => {
    const revokedID = (broker: ServiceBroker) => nodeOf(broker).identities.last?.credential ?? "";

    it("every node refuses calls from and to the service within 2 s", async () => {
      const started = await startBus();
      bus = started.bus;
      const { guard, a, b, c } = started;
      expect(await calls(a)()).toEqual({ x: 1 });
      const id = revokedID(a);
      const at = performance.now();
      await guard.call("guard.revoke", { id });
      for (const other of [b, c])
        await expect
          .poll(() =>
            as(other, (ctx) => ctx.call("a.open", {}, { timeout: 500 })).catch((e) => e.type),
          )
          .toMatch(/SERVICE_NOT_(FOUND|AVAILABLE)/);
      await expect
        .poll(() => as(a, (ctx) => ctx.call("b.echo")).catch(({ type }) => type))
        .toBe("ServiceTokenInvalid");
      expect(performance.now() - at).toBeLessThan(2_000);
      expect(await as(c, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    });

    it("fileStore keeps it over a restart", async () => {
      const folder = mkdtempSync(join(tmpdir(), "guard-store-"));
      const path = join(folder, "credentials.json");
      const started = await startBus({ store: fileStore(path) });
      bus = started.bus;
      const { guard, a, b } = started;
      await guard.call("guard.revoke", { id: revokedID(a) });
      await guard.stop();
      const { signingKey } = bus;
      const services = [guardService({ signingKey, store: fileStore(path) })];
      await bus.create("guard", { services }).start();
      const again = bus.create("a");
      await again.start();
      await expect
        .poll(() => bus.logged(again))
        .toContainEqual(expect.stringMatching(/refuses the credential of 'a': revoked/));
      expect(b.registry.nodes.get(again.nodeID)).toBeFalsy();
      rmSync(folder, { recursive: true });
    });
  });
});
