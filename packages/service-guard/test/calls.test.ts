import { Errors, type ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { as, TestBus } from "./helpers/bus.ts";
import { errorOf, overEachBus } from "./helpers/variants.ts";

const open = (handler: (ctx: any) => unknown, more = {}) => ({
  restricted: null,
  ...more,
  handler,
});
const run = { ...open((ctx) => ctx.params.run(ctx)), visibility: "protected" };

overEachBus("A call over the bus", (variant) => {
  const bus = new TestBus({
    ...variant,
    names: ["a", "b", "c", "d", "v2.b"],
    guard: { responseMeta: ["allowed"] },
  });
  let a: ServiceBroker;
  let b: ServiceBroker;
  let b2: ServiceBroker;
  let attempts = 0;
  let operated = 0;

  const who = ({ locals, nodeID }: any) => ({ caller: locals.caller, from: nodeID });
  const fail = (ctx: any) => {
    const error = { message: "Too many.", code: 429, type: "TOO_MANY", data: { limit: 3 } };
    throw new Errors.MoleculerError(error.message, error.code, error.type, {
      ...error.data,
      caller: ctx.locals.caller,
    });
  };
  const serviceB = () => ({
    name: "b",
    actions: {
      open: open(who),
      forA: { restricted: ["a"], handler: who },
      forC: { restricted: ["c"], handler: who },
      forD: { restricted: ["d"], handler: who },
      forOperator: {
        restricted: ["a"],
        operator: true,
        handler(ctx: any) {
          operated += 1;
          return who(ctx);
        },
      },
      node: { restricted: ["a"], handler: (ctx: any) => ctx.broker.nodeID },
      fail: { restricted: ["a"], handler: fail },
      meta: {
        restricted: ["a"],
        handler(ctx: any) {
          const got = { ...ctx.meta };
          Object.assign(ctx.meta, { allowed: 1, secret: 2 });
          return got;
        },
      },
      flaky: {
        restricted: ["a"],
        retryPolicy: { enabled: true, retries: 3, delay: 1 },
        handler() {
          attempts += 1;
          if (attempts < 3) throw new Errors.MoleculerRetryableError("Not yet.");
          return attempts;
        },
      },
      never: { restricted: ["a"], handler: () => new Promise(() => {}) },
      protected: { restricted: ["a"], visibility: "protected", handler: who },
      private: { visibility: "private", handler: who },
      usesPrivate: { restricted: ["a"], handler: (ctx: any) => ctx.service.actions.private({}) },
      run,
    },
  });

  beforeAll(async () => {
    const guard = bus.createGuard();
    a = bus.create("a", { services: [{ name: "a", actions: { run, hi: open(who) } }] as never });
    b = bus.create("b", { services: [serviceB()] as never });
    b2 = bus.create("b", {
      services: [
        serviceB(),
        { name: "b", version: 2, actions: { run, hi: { restricted: ["a"], handler: who } } },
        {
          name: "c",
          version: 2,
          settings: { $noVersionPrefix: true },
          actions: { run, hi: { restricted: ["v2.b"], handler: who } },
        },
      ] as never,
      guard: { service: "node", operator: true },
    });
    await Promise.all([guard, a, b, b2].map((broker) => broker.start()));
    await bus.met();
  });
  afterAll(() => bus.stop());

  it("names the proved service to the callee, and no caller without a credential", async () => {
    const from = a.nodeID;
    expect(await as(a, (ctx) => ctx.call("b.forA"))).toEqual({ caller: "a", from });
    expect(await as(a, (ctx) => ctx.call("b.open"))).toEqual({ caller: "a", from });
    expect(await a.call("b.open")).toEqual({ from });
  });

  it("ignores a caller in the options of a call", async () => {
    const forged = { caller: "c" } as object;
    expect(await as(a, (ctx) => ctx.call("b.open", {}, forged))).toMatchObject({ caller: "a" });
    expect(await errorOf(a.call("b.forC", {}, forged))).toMatchObject({ code: 401 });
  });

  it("is refused with a type and a code for a service that is not listed, and without a service", async () => {
    const unlisted = await errorOf(as(a, (ctx) => ctx.call("b.forC")));
    expect(unlisted).toMatchObject({ type: "ServiceNotAuthorized", code: 403 });
    const none = await errorOf(a.call("b.forA"));
    expect(none).toMatchObject({ type: "ServiceTokenRequired", code: 401 });
  });

  it("reaches an operator's action from its own process, and from the listed services", async () => {
    expect(await b2.call("b.forOperator", {}, { nodeID: b2.nodeID })).toEqual({ from: b2.nodeID });
    expect(await as(a, (ctx) => ctx.call("b.forOperator"))).toMatchObject({ caller: "a" });
  });

  it("does not run an operator's action for other processes and services that are not listed", async () => {
    operated = 0;
    // b is a process without an operator
    for (const [from, { nodeID }] of [[b, b] as const, [b, b2] as const, [a, b2] as const]) {
      const refused = await errorOf(from.call("b.forOperator", {}, { nodeID }));
      expect(refused).toMatchObject({ type: "ServiceTokenRequired", code: 401 });
    }
    const inProcess = () =>
      b2.call("v2.b.run", {
        run: (ctx: any) => ctx.call("b.forOperator", {}, { nodeID: b2.nodeID }),
      });
    for (const refused of [inProcess(), as(b, (ctx) => ctx.call("b.forOperator"))].map(errorOf))
      expect(await refused).toMatchObject({ type: "ServiceNotAuthorized", code: 403 });
    expect(operated).toBe(0);
  });

  it("rejects with the type, code and data of the callee's error", async () => {
    const error = await errorOf(as(a, (ctx) => ctx.call("b.fail")));
    expect(error).toMatchObject({
      message: "Too many.",
      type: "TOO_MANY",
      code: 429,
      data: { limit: 3, caller: "a" },
    });
  });

  it("sends the caller's meta, and returns only the keys of responseMeta", async () => {
    const [got, meta] = await as(a, async (ctx) => {
      Object.assign(ctx.meta, { user: "u" });
      return [await ctx.call("b.meta"), { ...ctx.meta }];
    });
    expect(got).toMatchObject({ user: "u" });
    expect(meta).toEqual({ user: "u", allowed: 1 });
  });

  it("sends no other keys of a response's meta over the bus", async () => {
    const sent: string[] = [];
    const { tx } = b.transit as unknown as { tx: { serialize(packet: object): Buffer } };
    const serialize = tx.serialize;
    tx.serialize = (packet) => {
      const bytes = serialize.call(tx, packet);
      if ((packet as { type: string }).type === "RES") sent.push(bytes.toString());
      return bytes;
    };
    await as(a, (ctx) => ctx.call("b.meta", {}, { nodeID: b.nodeID }));
    tx.serialize = serialize;
    expect(sent.map((text) => JSON.parse(text).meta)).toEqual([{ allowed: 1 }]);
  });

  it("works in mcall, also if some of the calls are refused", async () => {
    const calls = { one: { action: "b.forA" }, two: { action: "b.open" } };
    const all = await as(a, (ctx) => (ctx as any).mcall(calls));
    expect(all).toMatchObject({ one: { caller: "a" }, two: { caller: "a" } });
    const list = [{ action: "b.forA" }, { action: "b.forC" }];
    const settled = await as(a, (ctx) => (ctx as any).mcall(list, { settled: true }));
    expect(settled).toMatchObject([
      { status: "fulfilled", value: { caller: "a" } },
      { status: "rejected", reason: { type: "ServiceNotAuthorized" } },
    ]);
  });

  it("reaches the node that it names, and otherwise one node after the other", async () => {
    for (const { nodeID } of [b, b2])
      expect(await as(a, (ctx) => ctx.call("b.node", {}, { nodeID }))).toBe(nodeID);
    const reached = await as(a, (ctx) =>
      Promise.all(Array.from({ length: 4 }, () => ctx.call("b.node"))),
    );
    expect(new Set(reached)).toEqual(new Set([b.nodeID, b2.nodeID]));
  });

  it("is retried according to the retry policy", async () => {
    attempts = 0;
    expect(await as(a, (ctx) => ctx.call("b.flaky", {}, { retries: 3 }))).toBe(3);
  });

  it("ends with a timeout if no response arrives", async () => {
    const error = await errorOf(as(a, (ctx) => ctx.call("b.never", {}, { timeout: 50 })));
    expect(error).toMatchObject({ type: "REQUEST_TIMEOUT", code: 504 });
  });

  it("does not reach protected and private actions of other nodes", async () => {
    for (const name of ["b.protected", "b.private"])
      expect((await errorOf(as(a, (ctx) => ctx.call(name)))).type).toBe("SERVICE_NOT_FOUND");
    expect(await as(a, (ctx) => ctx.call("b.usesPrivate"))).toBeTruthy();
  });

  it("distinguishes versioned services by their full names", async () => {
    expect(await as(a, (ctx) => ctx.call("v2.b.hi"))).toMatchObject({ caller: "a" });
    const viaV2 = (target: string) => b2.call("v2.b.run", { run: (ctx: any) => ctx.call(target) });
    expect(await viaV2("a.hi")).toMatchObject({ caller: "v2.b" });
    expect(await viaV2("c.hi")).toMatchObject({ caller: "v2.b" });
    expect(await errorOf(as(b2, (ctx) => ctx.call("c.hi")))).toMatchObject({ code: 403 });
  });

  it("reaches a service that is created at run time, until it is destroyed", async () => {
    const service = b2.createService({
      name: "d",
      actions: { run, late: { restricted: ["b"], handler: who } },
    } as never);
    await b.waitForServices("d", 10_000, 10);
    await expect
      .poll(() => as(b, (ctx) => ctx.call("d.late")).catch((error: Error) => error.message))
      .toMatchObject({ caller: "b" });
    // the new service has an identity of its own
    const asD = () =>
      b2.call("d.run", { run: (ctx: any) => ctx.call("b.forD", {}, { nodeID: b.nodeID }) });
    await expect.poll(() => asD().catch(String)).toMatchObject({ caller: "d" });
    await b2.destroyService(service);
    const call = () => as(b, (ctx) => ctx.call("d.late")).catch(({ type }) => type);
    await expect.poll(call).toBe("SERVICE_NOT_FOUND");
  });

  describe("ping", () => {
    it("gets a response from one node, and from all nodes", async () => {
      expect(await a.ping(b.nodeID)).toMatchObject({ nodeID: b.nodeID });
      const all = await a.ping();
      const others = bus.brokers.filter((broker) => broker !== a).map(({ nodeID }) => nodeID);
      expect(Object.keys(all).toSorted()).toEqual(others.toSorted());
    });
  });
});
