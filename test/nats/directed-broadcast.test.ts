import { randomUUID } from "node:crypto";
import { ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { directedBroadcast } from "../../middlewares/directed-broadcast.ts";

const natsUrl = inject("natsUrl");

describe.skipIf(!natsUrl)("A broadcast to given nodes", () => {
  const received: string[] = [];
  let brokers: ServiceBroker[] = [];
  let hooks = 0;

  beforeAll(async () => {
    const namespace = randomUUID();
    const counting = {
      broadcast:
        (next: (...sent: unknown[]) => unknown) =>
        (...sent: unknown[]) => {
          hooks += 1;
          return next(...sent);
        },
    };
    brokers = ["a", "b", "c"].map((nodeID) => {
      const broker = new ServiceBroker({
        namespace,
        nodeID,
        // Moleculer's type lacks URLs
        transporter: natsUrl as "NATS",
        logger: false,
        skipProcessEventRegistration: true,
        middlewares: [directedBroadcast as never, counting as never],
      });
      broker.createService({
        name: "listener",
        events: {
          "it.happened"(ctx: any) {
            received.push(`${nodeID} ${ctx.params.text} ${ctx.eventType} ${ctx.requestID}`);
            if (ctx.params.text === "fail") throw new Error("The handler failed.");
          },
        },
      });
      return broker;
    });
    await Promise.all(brokers.map((broker) => broker.start()));
    for (const { registry } of brokers)
      await vi.waitFor(
        () => expect(registry.events.getAllEndpoints("it.happened", null as never)).toHaveLength(3),
        10_000,
      );
  });
  afterAll(() => Promise.all(brokers.map((broker) => broker.stop())));

  const send = async (text: string, options: object) => {
    await brokers[0]!.broadcast("it.happened", { text }, options as never);
    // a broadcast to all is later than those before it
    const end = randomUUID();
    await brokers[0]!.broadcast("it.happened", { text: end });
    await expect.poll(() => received.filter((one) => one.includes(end))).toHaveLength(3);
    return received.filter((one) => one.includes(` ${text} `)).toSorted();
  };

  it("reaches these nodes only, the own one included", async () => {
    const requestID = "1";
    expect(await send("remote", { nodeIDs: new Set(["b"]), requestID })).toEqual([
      "b remote broadcast 1",
    ]);
    expect(await send("own", { nodeIDs: new Set(["a"]), requestID })).toEqual([
      "a own broadcastLocal 1",
    ]);
    expect(await send("both", { nodeIDs: new Set(["a", "c", "unknown"]), requestID })).toEqual([
      "a both broadcastLocal 1",
      "c both broadcast 1",
    ]);
    expect(await send("none", { nodeIDs: new Set([]), requestID })).toEqual([]);
  });

  it("reaches these nodes only as far as they are in the groups", async () => {
    expect(await send("others", { nodeIDs: new Set(["a", "b"]), groups: "others" })).toEqual([]);
    expect(
      await send("group", { nodeIDs: new Set(["b"]), groups: "listener", requestID: "1" }),
    ).toEqual(["b group broadcast 1"]);
  });

  it("without nodes is Moleculer's, and all are seen by the other middlewares", async () => {
    hooks = 0;
    expect(await send("all", { requestID: "1" })).toHaveLength(3);
    expect(hooks).toBe(2);
    await send("seen", { nodeIDs: new Set(["b"]) });
    expect(hooks).toBe(4);
  });

  it("takes the request of the calling context", async () => {
    const parentCtx = { requestID: "parent", meta: {}, level: 1, id: "1" };
    expect(await send("child", { nodeIDs: new Set(["c"]), parentCtx })).toEqual([
      "c child broadcast parent",
    ]);
  });

  it("rejects with throwError only", async () => {
    const [broker] = brokers;
    const fail = (options: object) =>
      broker!.broadcast("it.happened", { text: "fail" }, {
        nodeIDs: new Set(["a"]),
        ...options,
      } as never);
    await expect(fail({})).resolves.toBeUndefined();
    await expect(fail({ throwError: true })).rejects.toThrow("The handler failed.");
  });
});
