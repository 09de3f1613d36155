import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { RecordName } from "../../src/bus/records.ts";
import { as, chunks, nodeOf, refusedBy, type StartedBus, startBus } from "../helpers/bus.ts";

describe("A proved node that sends any packet on its own channel", () => {
  let nodes: StartedBus;

  beforeAll(async () => {
    const mayReceive = (event: string, service: string) => event !== "**" || service === "b";
    nodes = await startBus({ guard: { mayReceive } });
  });
  /** Checks that no node has stopped, and that only these handlers ran. */
  afterEach(async () => {
    const { bus, a } = nodes;
    expect(bus.ran).toEqual([]);
    expect(await as(a, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    expect(bus.ran.splice(0)).toEqual(["b.echo a"]);
  });
  afterAll(() => nodes.bus.stop());

  /** Seals a record with any content to a node, as `c`. */
  function seal(to: StartedBus["a"], name: RecordName, content: Buffer | object | string) {
    const { bus } = nodeOf(nodes.c);
    const peer = bus!.peers.of(to.nodeID)!;
    const text = typeof content === "string" ? content : JSON.stringify(content);
    return bus!.send(peer, name, Buffer.isBuffer(content) ? content : Buffer.from(text));
  }

  /** A packet of `c`. */
  const packet = (payload: object) => ({
    ver: "5",
    sender: nodes.c.nodeID,
    id: randomUUID(),
    meta: {},
    headers: {},
    level: 1,
    tracing: false,
    requestID: "r",
    ...payload,
  });

  /** Sends a last record, and waits until the node has read everything that `c` sent before. */
  async function read(by: StartedBus["a"]) {
    const before = refusedBy(by, "internal event");
    await seal(by, "EVENT", packet({ event: "$fence" }));
    await expect.poll(() => refusedBy(by, "internal event")).toBe(before + 1);
  }

  async function refused(
    to: StartedBus["a"],
    reason: string,
    ...records: [RecordName, Buffer | object | string][]
  ) {
    const before = refusedBy(to, reason);
    for (const [name, content] of records) await seal(to, name, content);
    await expect.poll(() => refusedBy(to, reason)).toBe(before + records.length);
    expect(nodes.bus.ran).toEqual([]);
  }

  const services = () => ({
    a: nodes.a.registry.getActionList({ onlyAvailable: true }).map(({ name }: any) => name),
    endpoints: (name: string) =>
      (nodes.a.registry.getActionEndpoints(name)?.endpoints ?? []).map(({ id }) => id),
  });

  /** Announces services to `a`, and waits until `a` has read the announcement. */
  async function announce(list: unknown, more: object = {}) {
    const info = { instanceID: "x", seq: Date.now() * 1_000, config: {}, client: {}, ipList: [] };
    await seal(nodes.a, "INFO", packet({ ...info, services: list, ...more }));
    await read(nodes.a);
  }
  it("cannot name another service as its caller, or anything that is no service", async () => {
    const call = (caller: unknown) => packet({ action: "b.echo", params: {}, caller });
    const emit = (caller: unknown) => packet({ event: "thing.happened", data: {}, caller });
    await refused(
      nodes.b,
      "caller not proved",
      ...["a", "guard", "$node", "__proto__", "", 1, ["c"], { c: 1 }].flatMap(
        (caller): [RecordName, object][] => [
          ["REQ", call(caller)],
          ["EVENT", emit(caller)],
        ],
      ),
    );
  });

  it("reaches neither restricted nor protected actions, nor Moleculer's own events", async () => {
    const { b } = nodes;
    for (const action of ["b.hidden", "b.run", "$guard.refusals", "$guard.nodes", "__proto__", ""])
      for (const caller of [null, "c"])
        await seal(b, "REQ", packet({ action, params: {}, caller }));
    await seal(b, "REQ", packet({ action: "b.echo", params: {}, caller: null }));
    await seal(b, "EVENT", packet({ event: "thing.happened", data: {}, caller: "c" }));
    await seal(b, "EVENT", packet({ event: "thing.happened", data: {} }));
    const internal = ["$node.connected", "$node.disconnected", "$services.changed", "$x"];
    await refused(
      b,
      "internal event",
      ...internal.map((event): [RecordName, object] => ["EVENT", packet({ event, caller: "c" })]),
    );
    await refused(b, "internal event", ["EVENT", packet({ event: 1 })]);
  });

  it("cannot send packets of another node", async () => {
    const { a, b, c, guard } = nodes;
    for (const sender of [a.nodeID, b.nodeID, guard.nodeID, null, { toString: 1 }])
      await refused(
        b,
        "another node's packet",
        ...(["REQ", "EVENT", "DISCONNECT", "HEARTBEAT", "DISCOVER", "PING", "PONG"] as const).map(
          (name): [RecordName, object] => [
            name,
            packet({ sender, action: "b.open", event: "x", time: 1 }),
          ],
        ),
        ["INFO", packet({ sender, services: [] })],
        ["RES", packet({ sender, success: true })],
      );
    expect([a, b, c, guard].every(({ started }) => started)).toBe(true);
    expect(b.registry.nodes.get(a.nodeID)?.available).toBe(true);
  });

  it("gets no call of another service's action, and no event of another service's group", async () => {
    const { c } = nodes;
    const action = (name: string) => ({ [name]: { name, rawName: "echo" } });
    const event = (name: string, group?: string) => ({ [name]: { name, group } });
    await announce([
      { name: "b", fullName: "b", actions: action("b.echo"), events: {} },
      { name: "b", fullName: "c", actions: action("b.echo"), events: {} },
      { name: "c", fullName: "c", actions: { ...action("b.echo"), ...action("c.echo") } },
      { name: "c", fullName: "c", actions: { "c.x": { name: "b.echo" }, "b.echo": null } },
      { name: "c", fullName: "c", events: event("thing.happened", "b") },
      { name: "c", fullName: "c", events: { "thing.happened": { name: "$x" } } },
      { name: "c", fullName: "c", events: event("**") },
      { name: "c", version: { toString: 1 }, fullName: "v1.c" },
    ]);
    expect(services().endpoints("b.echo")).toEqual([nodes.b.nodeID]);
    const events = nodes.a.registry.events.list({}) as { name: string; group: string }[];
    expect(events.filter(({ name }) => name === "**")).toEqual([]);
    for (const one of nodes.a.registry.events.events as any[])
      if (one.group === "b")
        expect(one.endpoints.map((endpoint: any) => endpoint.id)).not.toContain(c.nodeID);
  });

  it("stops no events with an invalid pattern, or one that takes long to match", async () => {
    const { a } = nodes;
    const names = ["(*", "[?", "(.?+)+*$x", `${"*a".repeat(30)}x`, "x".repeat(5_000)];
    await announce([
      {
        name: "c",
        fullName: "c",
        actions: {},
        events: Object.fromEntries(names.map((name) => [name, { name, group: "c" }])),
      },
    ]);
    const startedAt = performance.now();
    await as(a, (ctx) => ctx.emit("a".repeat(60)));
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  it("crashes no node with malformed packets", async () => {
    const { a, b } = nodes;
    const odd = [null, 1, "x", [], {}, { __proto__: null }, true];
    const names = ["REQ", "RES", "EVENT", "INFO", "HEARTBEAT", "PING", "PONG", "DISCOVER"] as const;
    const unread = ["", "{", "null", "1", '"x"', "[]", "\u0000"];
    for (const to of [a, b])
      for (const name of [...names, "IDENTITIES", "EXCHANGE", "GRANT", "GUARD_STATE"] as const)
        for (const text of [...unread, "9".repeat(200), "[".repeat(20_000)])
          await seal(to, name, text);
    for (const value of odd) {
      for (const name of names) {
        const fields = ["action", "event", "params", "meta", "headers", "id", "groups", "stream"];
        const more = ["seq", "services", "client", "config", "instanceID", "error", "time", "cpu"];
        for (const field of [...fields, ...more])
          await seal(
            b,
            name,
            packet({ action: "b.nothing", event: "no.thing", services: [], [field]: value }),
          );
      }
      await announce([value, { name: value }, { name: "c", actions: value, events: value }]);
    }
    const poison = `{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}`;
    const { nodeID } = nodes.c;
    for (const name of names)
      await seal(
        b,
        name,
        `${poison},"ver":"5","sender":"${nodeID}","id":"q","action":"b.nothing","event":"x.y","meta":${poison}},"services":[${poison},"name":"c","fullName":"c","settings":${poison}},"metadata":${poison}}}]}`,
      );
    await read(b);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it("cannot respond to a call of a third node", async () => {
    const { a, b, bus } = nodes;
    let id = "";
    const pending = as(a, (ctx) => {
      const call = ctx.call("b.download", { count: 3, pause: 200 });
      [id] = [...(a.transit as any).pendingRequests.keys()].slice(-1);
      return call;
    });
    await expect.poll(() => id).not.toBe("");
    await refused(
      a,
      "not the node that was asked",
      ["RES", packet({ id, success: true, data: "forged" })],
      ["RES", packet({ id, success: false, error: {} })],
      ["RES", packet({ id, success: true, stream: true, seq: 0 })],
      ["RES", packet({ id, success: true, stream: false, seq: 1 })],
    ).catch((error: unknown) => {
      if (!bus.ran.includes("b.download a")) throw error;
    });
    const stream = (await pending) as AsyncIterable<Buffer>;
    let length = 0;
    for await (const chunk of stream) length += chunk.length;
    expect(length).toBe(3_000);
    expect(bus.ran.splice(0)).toEqual(["b.download a"]);
    expect(b.started).toBe(true);
  });

  it("cannot send chunks into the stream of another node", async () => {
    const { a, b, bus } = nodes;
    const sent = chunks({ count: 5, pause: 100 });
    const pending = as(a, (ctx) => ctx.call("b.upload", {}, { stream: sent } as object));
    const open = () =>
      [...(b.transit as any).pendingReqStreams].flatMap(([key, { sender }]) =>
        sender === a.nodeID ? [key] : [],
      );
    await expect.poll(() => open().length).toBe(1);
    const [id] = open();
    const before = refusedBy(b, "not the node that opened the stream");
    const chunk = { type: "Buffer", data: [1, 2, 3] };
    for (let seq = 1; seq < 8; seq++)
      await seal(b, "REQ", packet({ id, action: "b.upload", params: chunk, stream: true, seq }));
    await seal(b, "REQ", packet({ id, action: "b.upload", params: null, stream: false, seq: 2 }));
    expect(await pending).toBe(5_000);
    expect(refusedBy(b, "not the node that opened the stream")).toBe(before + 8);
    expect(bus.ran.splice(0)).toEqual(["b.upload a"]);
  });

  it("is not accepted as a guard, or with the identities of another node", async () => {
    const { a, b } = nodes;
    const { revocations, identities } = nodeOf(b);
    const [held] = nodeOf(a).identities.valid();
    const until = Date.now() + 100_000;
    const [own] = identities.valid();
    await refused(b, "caller not proved", [
      "GUARD_STATE",
      { keys: { keys: [], endorsements: [] }, revoked: [{ id: own!.credential, until }] },
    ]);
    expect(revocations.has(own!.credential)).toBe(false);
    expect(identities.isValid("b")).toBe(true);
    await refused(b, "identity not accepted", ["IDENTITIES", [held!.token]]);
    expect(nodeOf(b).bus?.peers.of(nodes.c.nodeID)?.services.has("a")).toBe(false);
  });
});
