import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeHello } from "../../src/bus/hello.ts";
import { WINDOW } from "../../src/bus/replay-window.ts";
import { as, nodeOf, refusedBy, TestBus, type StartedBus, startBus } from "../helpers/bus.ts";
import { Wire } from "../helpers/wire.ts";

describe("An attacker who records the bus and sends to it", () => {
  let nodes: StartedBus;
  let wire: Wire;

  beforeAll(async () => {
    nodes = await startBus();
    wire = await Wire.open(nodes.bus);
  });
  afterEach(() => {
    nodes.bus.ran.length = 0;
    wire.frames.length = 0;
  });
  afterAll(async () => {
    await wire.close();
    await nodes.bus.stop();
  });

  const refusals = (broker = nodes.b) =>
    [...nodeOf(broker).statistics.total.refused.values()].reduce((sum, count) => sum + count, 0);

  /** Calls `b` as `a`, and returns the frame of the call. */
  async function recordCall(): Promise<Buffer> {
    const { a, b, bus } = nodes;
    wire.frames.length = 0;
    await as(a, (ctx) => ctx.call("b.echo", {}));
    const kid = nodeOf(a).keys.current.kid;
    const find = () => wire.dataTo(b.nodeID).filter((one) => one.subarray(4, 12).equals(kid));
    await expect.poll(find).not.toEqual([]);
    bus.ran.length = 0;
    return find()[0]!;
  }

  /** Sends frames to a node, and waits until it has refused each of them. */
  async function allRefused(broker: StartedBus["b"], ...frames: Buffer[]) {
    const before = refusals(broker);
    await wire.send(broker.nodeID, ...frames);
    await expect.poll(() => refusals(broker)).toBeGreaterThanOrEqual(before + frames.length);
    expect(nodes.bus.ran).toEqual([]);
  }

  it("runs no handler by replaying a frame to its receiver, its sender, or a third node", async () => {
    const { a, b, c, guard } = nodes;
    const frame = await recordCall();
    const before = refusedBy(b, "replayed");
    await allRefused(b, frame, frame, frame);
    expect(refusedBy(b, "replayed")).toBe(before + 3);
    for (const node of [a, c, guard]) await allRefused(node, frame);
    await wire.send(undefined, frame);
    await expect.poll(() => refusedBy(b, "replayed")).toBe(before + 4);
    expect(nodes.bus.ran).toEqual([]);
  });

  it("delivers no frame in which one byte is altered", async () => {
    const { a, b } = nodes;
    const held: Buffer[] = [];
    // a man in the middle holds it back, so that its counter is still fresh
    const bus = new TestBus({ namespace: nodes.bus.namespace, signingKey: nodes.bus.signingKey });
    let isHolding = false;
    const node = await bus.start("a", {
      intercept: (frame, topic) => {
        if (!isHolding || !topic.endsWith(b.nodeID) || frame[1] !== 1) return [frame];
        held.push(frame);
        return [];
      },
    });
    await node.waitForServices(["b"], 10_000, 10);
    await as(node, (ctx) => ctx.call("b.echo", {}));
    nodes.bus.ran.length = 0;
    isHolding = true;
    const call = as(node, (ctx) => ctx.call("b.echo", { x: 1 })).catch(() => {});
    await expect.poll(() => held.length).toBeGreaterThan(0);
    const frame = held[0]!;
    const altered = [...Array.from({ length: 28 }, (_, at) => at), 28, 33, frame.length - 1].map(
      (at) => {
        const copy = Buffer.from(frame);
        copy[at] = copy[at]! ^ 1;
        return copy;
      },
    );
    const shorter = [0, 3, 27, 28, 43, 44, frame.length - 1].map((end) => frame.subarray(0, end));
    await allRefused(b, ...altered, ...shorter, Buffer.concat([frame, Buffer.from([0])]));
    expect(nodeOf(a).bus?.peers.of(b.nodeID)).toBeDefined();
    // the frame itself is still accepted
    isHolding = false;
    await wire.send(b.nodeID, ...held);
    await call;
    expect(nodes.bus.ran).toEqual(["b.echo a"]);
    await bus.stop();
  });

  it("delivers each reordered frame once within the window, and none outside of it", async () => {
    const { a, b, bus } = nodes;
    const [from, to] = [nodeOf(a), nodeOf(b)];
    const peer = from.bus!.peers.of(b.nodeID)!;
    const { channels } = from.bus!;
    const { encodeRecords, RECORD } = await import("../../src/bus/records.ts");
    const event = (n: number) => {
      const payload = { ver: "5", sender: a.nodeID, id: `${n}`, event: "thing.happened" };
      const rest = { data: n, caller: "a", groups: ["b"], broadcast: false, level: 1, meta: {} };
      const content = Buffer.from(JSON.stringify({ ...payload, ...rest }));
      return channels.to(peer).seal(encodeRecords([{ type: RECORD.EVENT, content }]));
    };
    const frames = Array.from({ length: WINDOW + 1 }, (_, at) => event(at));
    const [tooLate, ...others] = frames;
    const before = refusedBy(b, "replayed");
    await wire.send(b.nodeID, ...others.toReversed());
    await expect.poll(() => bus.ran.length).toBe(WINDOW);
    await wire.send(b.nodeID, tooLate!, ...others);
    await expect.poll(() => refusedBy(b, "replayed")).toBe(before + WINDOW + 1);
    expect(bus.ran.length).toBe(WINDOW);
    expect(to.bus).toBeDefined();
  });

  it("cannot respond to a call before the called node: only a frame of that node is a response", async () => {
    const { a, b, bus } = nodes;
    const frame = await recordCall();
    const responses = wire.dataTo(a.nodeID);
    const pending = as(a, (ctx) => ctx.call("b.echo", { real: true }));
    const packet = { ver: "5", sender: b.nodeID, id: "1", success: true, data: "forged", meta: {} };
    wire.publish(wire.subject(a.nodeID, "RES"), JSON.stringify(packet));
    await wire.send(a.nodeID, JSON.stringify(packet), frame, ...responses);
    expect(await pending).toEqual({ real: true });
    expect(bus.ran).toEqual(["b.echo a"]);
  });

  it("removes, adds and stops no node with forged packets of Moleculer on any subject", async () => {
    const { a, b, c, guard, bus } = nodes;
    const base = (sender: string) => ({ ver: "5", sender });
    const packets = [a.nodeID, b.nodeID, "x"].flatMap((sender) => [
      ["DISCONNECT", base(sender)],
      ["HEARTBEAT", { ...base(sender), cpu: 100 }],
      ["DISCOVER", base(sender)],
      ["INFO", { ...base(sender), services: [], instanceID: "other", seq: 99, client: {} }],
      ["EVENT", { ...base(sender), id: "1", event: "thing.happened", caller: "a" }],
      ["REQ", { ...base(sender), id: "2", action: "b.open", params: {}, caller: "a" }],
      ["RES", { ...base(sender), id: "3", success: true }],
      ["PING", { ...base(sender), time: 1, id: "4" }],
    ]) as [string, object][];
    for (const [command, payload] of packets)
      for (const nodeID of [undefined, a.nodeID, b.nodeID]) {
        const json = JSON.stringify(payload);
        wire.publish(wire.subject(nodeID, command), json);
        wire.publish(wire.subject(nodeID, `${command}B`), json);
        wire.publish(wire.subject(nodeID), json);
      }
    await wire.send(undefined, "x");
    expect(await as(a, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    expect(bus.ran).toEqual(["b.echo a"]);
    for (const broker of [a, b, c, guard]) {
      expect(broker.started).toBe(true);
      const known = broker.registry.getNodeList({ onlyAvailable: true, withServices: false });
      expect(known.map(({ id }: { id: string }) => id).toSorted()).toEqual(
        [a, b, c, guard].map(({ nodeID }) => nodeID).toSorted(),
      );
    }
  });

  it("stops no node with a plain broker that has the id of a running node", async () => {
    const { a, b, bus } = nodes;
    const { ServiceBroker } = await import("moleculer");
    const impostor = new ServiceBroker({
      namespace: bus.namespace,
      nodeID: b.nodeID,
      transporter: bus.url,
      logger: false,
      services: [{ name: "b", actions: { echo: () => "forged" } }] as never,
      skipProcessEventRegistration: true,
    } as never);
    await impostor.start();
    expect(await as(a, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    expect(b.started).toBe(true);
    await impostor.stop();
    expect(await as(a, (ctx) => ctx.call("b.echo", { x: 2 }))).toEqual({ x: 2 });
  });

  it("delivers no recorded frame after the sender, the receiver, or both have restarted", async () => {
    const bus = new TestBus({ signingKey: nodes.bus.signingKey });
    await bus.createGuard().start();
    const recorder = await Wire.open(bus);
    let [a, b] = [await bus.start("a"), await bus.start("b")];
    await as(a, (ctx) => ctx.call("b.echo", {}));
    await as(a, (ctx) => ctx.emit("thing.happened", {}));
    for (const restarted of [["a"], ["b"], ["a", "b"]]) {
      const recorded = recorder.of("data").map(({ frame }) => frame);
      if (restarted.includes("a")) {
        await a.stop();
        a = await bus.start("a");
      }
      if (restarted.includes("b")) {
        await b.stop();
        b = await bus.start("b");
      }
      bus.ran.length = 0;
      const before = [refusals(a), refusals(b)];
      await recorder.send(a.nodeID, ...recorded);
      await recorder.send(b.nodeID, ...recorded);
      for (const [at, node] of [a, b].entries())
        await expect
          .poll(() => refusals(node))
          .toBeGreaterThanOrEqual(before[at]! + recorded.length);
      expect(bus.ran).toEqual([]);
      await as(a, (ctx) => ctx.call("b.echo", {}));
      expect(bus.ran.splice(0)).toEqual(["b.echo a"]);
    }
    await recorder.close();
    await bus.stop();
  });

  it("gets no call with another node's HELLO, also after that node has stopped", async () => {
    const { a, bus } = nodes;
    const gone = await bus.start("c");
    const hello = wire.of("hello").findLast(({ frame }) => frame.includes(gone.nodeID))!.frame;
    const { token } = nodeOf(gone).identities.valid()[0]!;
    await gone.stop();
    await wire.send(undefined, hello, encodeHello({ nodeID: gone.nodeID, identities: [token] }));
    // its identity token is valid for some time, but worthless without its key
    await as(a, (ctx) => ctx.call("c.echo", {}));
    const known = a.registry.getNodeList({ onlyAvailable: true, withServices: false });
    expect(known.map(({ id }: { id: string }) => id)).not.toContain(gone.nodeID);
    await expect(as(a, (ctx) => ctx.call("c.echo", {}, { nodeID: gone.nodeID }))).rejects.toThrow(
      /c\.echo/,
    );
    // it is not accepted with another node id
    const before = refusedBy(a, "identity not accepted");
    await wire.send(a.nodeID, encodeHello({ nodeID: `c.${"a".repeat(26)}`, identities: [token] }));
    await expect.poll(() => refusedBy(a, "identity not accepted")).toBe(before + 1);
  });
});
