import type { ServiceBroker } from "moleculer";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { as, TestBus } from "./helpers/bus.ts";
import { overEachBus } from "./helpers/variants.ts";

overEachBus("An event over the bus", (variant) => {
  const bus = new TestBus({
    ...variant,
    guard: { mayReceive: (event, service) => event !== "secret" || service === "b" },
  });
  /** The handled events: "<service> <node> <caller>". */
  let handled: string[] = [];
  const nodes: ServiceBroker[] = [];
  let a: ServiceBroker;

  const service = (name: string) => {
    const listen = (restricted: string[] | null) => ({
      restricted,
      handler: (ctx: any) =>
        void handled.push(`${name} ${ctx.broker.nodeID} ${ctx.locals.caller ?? "-"}`),
    });
    return {
      name,
      actions: {
        run: {
          restricted: null,
          visibility: "protected",
          handler: (ctx: any) => ctx.params.run(ctx),
        },
      },
      events: {
        "thing.happened": listen(["a"]),
        "any.*": listen(null),
        "only.c": listen(["c"]),
        secret: listen(["a"]),
      },
    };
  };
  /** An event that arrives last: a node handles the packets of another one in their order. */
  const handledAfter = async (emit: (ctx: any) => Promise<unknown>): Promise<string[]> => {
    await as(a, emit);
    await Promise.all(nodes.map(({ nodeID }) => a.ping(nodeID)));
    return handled.toSorted();
  };

  beforeAll(async () => {
    const guard = bus.createGuard();
    a = bus.create("a", { services: [service("a")] as never });
    for (const name of ["b", "b", "c"])
      nodes.push(bus.create(name, { services: [service(name)] as never }));
    await Promise.all([guard, a, ...nodes].map((broker) => broker.start()));
    await bus.met();
  });
  afterAll(() => bus.stop());
  beforeEach(() => {
    handled = [];
  });
  const groups = () =>
    handled
      .map((line) => line.split(" ")[0] ?? "")
      .toSorted((one, other) => one.localeCompare(other));

  it("reaches one node of each group, with the emitting service as its caller", async () => {
    await handledAfter((ctx) => ctx.emit("thing.happened", { x: 1 }));
    expect(groups()).toEqual(["a", "b", "c"]);
    expect(handled.every((line) => line.endsWith(" a"))).toBe(true);
    const reached = new Set<string>();
    for (let at = 0; at < 4; at++) await handledAfter((ctx) => ctx.emit("thing.happened"));
    for (const line of handled) if (line.startsWith("b")) reached.add(line.split(" ")[1] ?? "");
    expect(reached.size).toBe(2);
  });

  it("reaches the groups that are named", async () => {
    await handledAfter((ctx) => ctx.emit("thing.happened", {}, { groups: ["c"] }));
    await handledAfter((ctx) => ctx.emit("thing.happened", {}, { groups: "b" }));
    await handledAfter((ctx) => ctx.broker.emit("any.thing", {}, ["c"]));
    expect(groups()).toEqual(["b", "c", "c"]);
  });

  it("reaches every node in a broadcast", async () => {
    await handledAfter((ctx) => ctx.broadcast("thing.happened"));
    expect(groups()).toEqual(["a", "b", "b", "c"]);
  });

  it("is not handled by a handler that does not list its emitter", async () => {
    await handledAfter((ctx) => ctx.emit("only.c"));
    await handledAfter((ctx) => ctx.broadcast("only.c"));
    expect(handled).toEqual([]);
    await a.broadcast("thing.happened");
    await Promise.all(nodes.map(({ nodeID }) => a.ping(nodeID)));
    expect(handled).toEqual([]);
  });

  it("emitted by a broker without a service, reaches handlers with restricted: null", async () => {
    await a.broadcast("any.thing");
    await Promise.all(nodes.map(({ nodeID }) => a.ping(nodeID)));
    expect(groups()).toEqual(["a", "b", "b", "c"]);
    expect(handled.every((line) => line.endsWith(" -"))).toBe(true);
  });

  it("reaches only services of other nodes that mayReceive allows", async () => {
    await handledAfter((ctx) => ctx.broadcast("secret"));
    // mayReceive limits other nodes only: code in the same process is trusted
    expect(groups().filter((name) => name !== "a")).toEqual(["b", "b"]);
  });
});
