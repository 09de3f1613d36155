import { once } from "node:events";
import type { ServiceBroker } from "moleculer";
import { afterEach, describe, expect, it } from "vitest";
import { freePort, startNats } from "./helpers/nats-server.ts";
import { as, nodeOf, startBus, TestBus, testService } from "./helpers/bus.ts";
import { errorOf, overNats, underLoad } from "./helpers/variants.ts";

const calls = (from: ServiceBroker) => () => as(from, (ctx) => ctx.call("b.echo", { x: 1 }));

overNats("The sealed bus", () => {
  let bus: TestBus;
  afterEach(() => bus.stop());

  it("delivers calls again after its server was restarted", async () => {
    const port = await freePort();
    let server = await startNats(port);
    const started = await startBus({
      url: `nats://127.0.0.1:${port}`,
      broker: { requestTimeout: 500 },
    });
    bus = started.bus;
    const { a, b, c } = started;
    const stopped = once(server, "exit");
    server.kill();
    await stopped;
    server = await startNats(port);
    const restartedAt = performance.now();
    for (const [from, to] of [
      [a, "b"],
      [b, "c"],
      [c, "a"],
    ] as const)
      await expect
        .poll(() => as(from, (ctx) => ctx.call(`${to}.echo`, { x: 1 })).catch(String))
        .toEqual({ x: 1 });
    expect(performance.now() - restartedAt).toBeLessThan(8_000);
    await bus.stop();
    server.kill();
  });

  it("delivers the response to every running call of a broker that stops", async () => {
    bus = new TestBus({ broker: { requestTimeout: 10_000 } });
    const guard = bus.createGuard();
    const a = bus.create("a");
    const running: (() => void)[] = [];
    const slow = {
      name: "b",
      actions: {
        slow: {
          restricted: ["a"],
          handler: () => new Promise((resolve) => running.push(() => resolve("done"))),
        },
      },
    };
    // counts its running calls and stops after them
    const b = bus.create("b", {
      services: [slow] as never,
      broker: { tracking: { enabled: true, shutdownTimeout: 5_000 } },
    });
    await Promise.all([guard, a, b].map((broker) => broker.start()));
    await bus.met();
    const all = Promise.allSettled(
      Array.from({ length: 20 }, () => as(a, (ctx) => ctx.call("b.slow"))),
    );
    await expect.poll(() => running.length).toBe(20);
    const stopped = b.stop();
    await expect.poll(() => a.registry.nodes.get(b.nodeID)?.services.length ?? 0).toBe(0);
    for (const end of running) end();
    await stopped;
    const results = await all;
    expect(
      results.map((one) => (one.status === "fulfilled" ? one.value : one.reason.name)),
    ).toEqual(results.map(() => "done"));
    expect((await errorOf(as(a, (ctx) => ctx.call("b.slow")))).type).toMatch(/^SERVICE_NOT_/);
  });

  it("connects 30 brokers that start at once", async () => {
    bus = new TestBus();
    const names = ["a", "b", "c"];
    const guard = bus.createGuard();
    const others = Array.from({ length: 29 }, (_, at) => bus.create(names[at % 3] ?? "a"));
    await Promise.all([guard, ...others].map((broker) => broker.start()));
    await expect
      .poll(
        () => others.every((one) => [...(nodeOf(one).bus?.peers.proved() ?? [])].length === 29),
        {
          timeout: 25_000,
        },
      )
      .toBe(true);
    await bus.met();
    const results = await Promise.all(others.map((from) => calls(from)()));
    expect(results).toEqual(others.map(() => ({ x: 1 })));
  }, 40_000);

  describe("when nodes replace their keys", () => {
    it("every call is delivered, and the old keys are dropped", async () => {
      const started = await startBus({ guard: { keyLifetime: 3_000 } });
      bus = started.bus;
      const brokers = [started.a, started.b];
      const first = brokers.map((broker) => nodeOf(broker).keys.current);
      const load = underLoad(calls(started.a));
      await expect
        .poll(
          () =>
            brokers.map(
              (broker, at) =>
                nodeOf(broker).keys.get(first[at]?.kid.toString("latin1") ?? "") === undefined,
            ),
          { timeout: 10_000 },
        )
        .toEqual([true, true]);
      const before = load.count();
      await expect.poll(() => load.count()).toBeGreaterThan(before + 50);
      expect(await load.stop()).toEqual([]);
      for (const [at, broker] of brokers.entries()) {
        const { keys, bus: sealedBus } = nodeOf(broker);
        expect(keys.current).not.toBe(first[at]);
        expect(Object.values(keys)).not.toContain(first[at]);
        // and the channels that could open frames of the old key
        const own = first[at]?.kid.toString("latin1") ?? "";
        const pairs = [...(sealedBus?.peers.proved() ?? [])].map(
          ({ kid }) => kid.toString("latin1") + own,
        );
        expect(pairs.length).toBeGreaterThan(0);
        for (const pair of pairs) expect(sealedBus?.channels.ofPair(pair)).toBeUndefined();
      }
    });
  });

  it("leaves a node without a guard time for other work while calls wait for an identity", async () => {
    bus = new TestBus();
    const node = bus.create("a", {
      services: ["a", "b"].map((name) => testService(name, bus.ran)),
      guard: { service: undefined },
    });
    await node.start();
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 20);
    const error = await errorOf(as(node, (ctx) => ctx.call("b.echo", { x: 1 })));
    clearInterval(timer);
    expect(error).toMatchObject({ type: "GuardNotAccessible" });
    // the call waits for 3 s; without time for others there is none
    expect(ticks).toBeGreaterThan(20);
    expect(bus.ran).not.toContain("b.echo a");
  });
});
