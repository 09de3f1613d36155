import { afterAll, beforeAll, expect, it } from "vitest";
import type { ServiceBroker } from "moleculer";
import { as, nodeOf, startBus, TestBus } from "./helpers/bus.ts";
import { overNats } from "./helpers/variants.ts";

overNats("A node that is not proved", () => {
  let bus: TestBus;
  let a: ServiceBroker;
  let b: ServiceBroker;

  beforeAll(async () => {
    const started = await startBus({ broker: { metrics: true } });
    ({ bus, a, b } = started);
  });
  afterAll(() => bus.stop());

  it("without a credential logs once what to do, and other nodes ignore it", async () => {
    const none = bus.create("c", { credential: () => undefined });
    await none.start();
    const said = () => bus.logged(none).filter((line) => /No credential for 'c'/.test(line));
    await expect.poll(said).toHaveLength(1);
    expect(said()[0]).toMatch(/guard\.generate --service NAME.*authToken/);
    await a.ping(b.nodeID);
    expect(a.registry.nodes.get(none.nodeID)).toBeFalsy();
    await none.stop();
  });

  it("with the credential of another guard logs that once", async () => {
    const stranger = new TestBus();
    const refused = bus.create("c", { credential: (name) => stranger.credential(name) });
    await refused.start();
    const own = bus.create("c", { credential: () => "not a credential" });
    await own.start();
    await expect.poll(() => bus.logged(own)).toEqual([expect.stringMatching(/of 'c': invalid/)]);
    expect(a.registry.nodes.get(refused.nodeID)).toBeFalsy();
    await Promise.all([refused.stop(), own.stop()]);
  });

  it("is logged once by the other nodes, with the reason", async () => {
    const stranger = new TestBus({ namespace: bus.namespace });
    const other = await (async () => {
      const guard = stranger.createGuard();
      const node = stranger.create("c");
      await Promise.all([guard.start(), node.start()]);
      await stranger.met();
      return node;
    })();
    const said = () => bus.logged(a).filter((line) => line.includes(other.nodeID));
    await expect.poll(said).toHaveLength(1);
    expect(said()[0]).toMatch(/is ignored: No key of this node's guard has signed the token/);
    nodeOf(other).bus?.broadcastHello();
    await other.ping();
    await a.ping();
    expect(said()).toHaveLength(1);
    await stranger.stop();
  });

  it("is not in the list of nodes, which has the proved nodes and their services", async () => {
    const nodes = await a.call<any[], object>("$guard.nodes", {});
    const services = nodes.flatMap((node) => node.services as string[]);
    expect(new Set(services)).toEqual(new Set(["a", "b", "c", "guard"]));
    expect(nodes).toHaveLength(4);
    expect(nodes[0]).toMatchObject({ nodeID: a.nodeID, isLocal: true });
    for (const node of nodes) expect(node.framesOpened).toBeGreaterThan(0);
  });

  it("does not prevent other nodes from counting in metrics", async () => {
    await as(a, (ctx) => ctx.call("b.echo"));
    const value = (name: string) => (a.metrics.getMetric(name)?.snapshot() as any[])?.[0]?.value;
    await expect.poll(() => value("guard.bus.frames.sent.total")).toBeGreaterThan(0);
    for (const name of [
      "guard.bus.packets.sent.total",
      "guard.bus.frames.opened.total",
      "guard.bus.packets.opened.total",
      "guard.exchanges.total",
    ])
      expect(value(name)).toBeGreaterThan(0);
    expect(a.metrics.getMetric("guard.identity.age.seconds")?.snapshot()[0]).toMatchObject({
      labels: { service: "a" },
    });
    expect(value("guard.bus.refused.total")).toBeGreaterThan(0);
  });
});
