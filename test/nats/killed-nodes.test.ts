import { setTimeout as wait } from "node:timers/promises";
import type { Context, ServiceBroker } from "moleculer";
import { connect, headers } from "nats";
import { sealed } from "moleculer-service-guard";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Proxy, startProxy } from "../helpers/proxy.ts";
import { callFrom } from "../helpers/call.ts";
import { NatsTransporter } from "../../lib/nats/transporter.ts";

const SealedNats = sealed(NatsTransporter);

/** In milliseconds. Without detection a caller waits for requestTimeout, 10 s. */
const SOON = 2_500;

// NATS closes the connection of a killed process, so a connection that is cut looks the same to the other nodes
describe.skipIf(isMissing)("A node that is killed", () => {
  let app: App;
  let proxy: Proxy;
  /** The ids of the nodes that ran the action, in order. */
  let ran: string[];
  let release: () => void;
  let released: Promise<void>;

  const twin = {
    name: "twin",
    actions: {
      read: {
        restricted: null,
        auth: "none",
        retryPolicy: { enabled: true },
        async handler(this: { broker: ServiceBroker }, ctx: Context<{ wait?: boolean }>) {
          ran.push(this.broker.nodeID);
          if (ctx.params.wait && this.broker === killed()) await released;
          return this.broker.nodeID;
        },
      },
      write: {
        restricted: null,
        auth: "none",
        async handler(this: { broker: ServiceBroker }) {
          ran.push(this.broker.nodeID);
          await released;
        },
      },
    },
  };

  const twins = () => app.brokers.filter((broker) => broker.getLocalService("twin"));
  const killed = () => twins()[0]!;
  const other = () => twins()[1]!;
  const isAvailable = (nodeID: string) =>
    app.brokerOf("posts").registry.nodes.get(nodeID)?.available;
  const secondsOf = async (call: Promise<unknown>) => {
    const begin = performance.now();
    await call.catch(() => {});
    return performance.now() - begin;
  };

  beforeAll(async () => {
    proxy = await startProxy(Number(new URL(inject("natsUrl")!).port));
    const url = `nats://127.0.0.1:${proxy.port}`;
    let isFirst = true;
    app = await startApp(
      {},
      {
        services: [twin as never, twin as never],
        broker: (own, [name]) => {
          if (name !== "twin" || !isFirst) return {};
          isFirst = false;
          return { ...own, transporter: new SealedNats({ url, reconnectTimeWait: 50 }) };
        },
      },
    );
    const areAvailable = () => twins().map(({ nodeID }) => isAvailable(nodeID));
    await vi.waitFor(() => expect(areAvailable()).toEqual([true, true]), 10_000);
  });
  afterAll(async () => {
    proxy?.restore();
    await app?.stop();
    await proxy?.close();
  });
  beforeEach(async () => {
    proxy.restore();
    await vi.waitFor(() => expect(isAvailable(killed().nodeID)).toBe(true), 20_000);
    ran = [];
    ({ promise: released, resolve: release } = Promise.withResolvers<void>());
  });

  it("delays a call that may be retried by less than 2.5 s: another node responds", async () => {
    const { nodeID } = killed();
    const calls = Array.from({ length: 4 }, () =>
      callFrom(app, "posts", "twin.read", { wait: true }),
    );
    await expect.poll(() => ran).toContain(nodeID);
    proxy.cut();
    const begin = performance.now();
    expect(new Set(await Promise.all(calls))).toEqual(new Set([other().nodeID]));
    expect(performance.now() - begin).toBeLessThan(SOON);
    release();
  });

  it("fails a call that must not be retried within 2.5 s, and the call runs once", async () => {
    const call = callFrom(app, "posts", "twin.write", {}, { nodeID: killed().nodeID });
    call.catch(() => {});
    await expect.poll(() => ran).toEqual([killed().nodeID]);
    proxy.cut();
    expect(await secondsOf(call)).toBeLessThan(SOON);
    await expect(call).rejects.toMatchObject({ code: 503, type: "REQUEST_REJECTED" });
    expect(ran).toEqual([killed().nodeID]);
    release();
  });

  it("is detected by the first call that is sent to it", async () => {
    proxy.cut();
    const calls = Array.from({ length: 10 }, () => callFrom(app, "posts", "twin.read"));
    expect(await secondsOf(Promise.all(calls))).toBeLessThan(SOON);
    expect(new Set(await Promise.all(calls))).toEqual(new Set([other().nodeID]));
    expect(isAvailable(killed().nodeID)).toBe(false);
  });

  it("is called again as soon as it reconnects", async () => {
    proxy.cut();
    await Promise.all([1, 2, 3, 4].map(() => callFrom(app, "posts", "twin.read")));
    await expect.poll(() => isAvailable(killed().nodeID)).toBe(false);
    const { discoverer } = app.brokerOf("posts").registry;
    const heartbeats = vi.spyOn(discoverer as any, "heartbeatReceived").mockReturnValue(undefined);
    proxy.restore();
    await expect.poll(() => isAvailable(killed().nodeID)).toBe(true);
    heartbeats.mockRestore();
  });

  it("is not confused with a node for which a client forges a 'no responders' reply", async () => {
    const { nodeID } = other();
    const client = await connect({ servers: inject("natsUrl")! });
    const { transit, registry } = app.brokerOf("posts");
    const dropped = vi.spyOn((registry as any).nodes, "disconnected");
    let forged = 0;
    const noResponders = headers(503, "No Responders");
    client.subscribe(`MOL-${app.env.NAMESPACE}.>`, {
      callback: (_error, { reply }) => {
        if (!reply?.endsWith(nodeID)) return;
        client.publish(reply, undefined, { headers: noResponders });
        forged += 1;
      },
    });
    await client.flush();
    const ping = vi.spyOn(app.brokerOf("posts"), "ping");
    await (transit as any).sendPing(nodeID);
    await expect.poll(() => ping.mock.calls[0]).toEqual([nodeID, expect.any(Number)]);
    expect(await ping.mock.results[0]!.value).toMatchObject({ nodeID });
    expect(forged).toBeGreaterThan(0);
    expect(dropped).not.toHaveBeenCalled();
    expect(isAvailable(nodeID)).toBe(true);
    ping.mockRestore();
    dropped.mockRestore();
    await client.close();
  });

  it("is not confused with a busy node, for which callers wait", async () => {
    const { nodeID } = killed();
    const { transit } = app.brokerOf("posts");
    const sendPing = vi.spyOn(transit as any, "sendPing");
    proxy.freeze();
    const call = callFrom(app, "posts", "twin.read", {}, { nodeID, timeout: 3_000 });
    call.catch(() => {});
    const pings = () => sendPing.mock.calls.filter(([id]) => id === nodeID);
    await expect.poll(() => pings().length).toBeGreaterThan(3);
    sendPing.mockRestore();
    expect(isAvailable(nodeID)).toBe(true);
    const stillWaiting = {};
    expect(await Promise.race([call, wait(0, stillWaiting)])).toBe(stillWaiting);
    proxy.restore();
    release();
  });
});
