import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Proxy, startProxy } from "../helpers/proxy.ts";
import { callFrom } from "../helpers/call.ts";
import { login, PASSWORD, register, request } from "../helpers/http.ts";
import { freePort, startNats } from "../helpers/servers.ts";

// this kills a NATS server, so it starts one of its own
describe.skipIf(isMissing)("While NATS is unavailable", () => {
  it("GET /health/ready answers 503, and requests succeed again once NATS is back", async () => {
    const port = await freePort();
    let nats = await startNats(port);
    const app = await startApp({ NATS_URL: `nats://127.0.0.1:${port}` });
    const statusOf = async () => (await request(app, "GET /health/ready")).status;
    try {
      const alice = await register(app, "alice");

      nats.kill("SIGKILL");
      await once(nats, "exit");
      await expect.poll(statusOf).toBe(503);
      expect((await request(app, "GET /health/live")).status).toBe(200);

      nats = await startNats(port);

      await expect.poll(statusOf).toBe(200);

      const { status } = await request(app, "POST /api/posts", {
        token: alice.token,
        body: { title: "Hi", body: "There" },
      });

      expect(status).toBe(201);
    } finally {
      await app.stop();

      nats.kill();
    }
  });
});

describe.skipIf(isMissing)("An interruption of the connection to NATS", () => {
  let app: App;
  let proxy: Proxy;
  /** The steps of the slow service; `release` lets it go on. */
  const done: string[] = [];
  let release = () => {};

  const slow = {
    name: "slow",
    actions: {
      work: {
        restricted: null,
        auth: "none",
        async handler() {
          done.push("began");
          await new Promise<void>((resolve) => (release = resolve));
          done.push("ended");
          return "worked";
        },
      },
    },
    stopped: () => void done.push("stopped"),
  };

  /** Calls the slow service, and waits until its handler runs. */
  const startWork = async (options: Record<string, unknown> = {}) => {
    const work = callFrom(app, "posts", "slow.work", {}, options);
    work.catch(() => {});
    await expect.poll(() => done).toEqual(["began"]);
    // in an object, since the caller would await a returned promise
    return { work };
  };

  const tracked = (service: string) =>
    (app.brokerOf(service) as unknown as Record<"_trackedContexts", unknown[]>)["_trackedContexts"];

  const isConnected = (isIt: boolean) =>
    Promise.all(
      app.brokers.map(
        ({ localBus }) =>
          new Promise<void>((resolve) =>
            localBus.once(`$transporter.${isIt ? "" : "dis"}connected`, () => resolve()),
          ),
      ),
    );

  const cut = async () => {
    const isCut = isConnected(false);
    proxy.cut();
    await isCut;
  };

  const mend = async () => {
    const isMended = isConnected(true);
    proxy.restore();
    await isMended;
  };

  beforeAll(async () => {
    proxy = await startProxy(Number(new URL(inject("natsUrl")!).port));
    app = await startApp(
      { NATS_URL: `nats://127.0.0.1:${proxy.port}` },
      { services: [slow as never] },
    );
  });
  afterAll(async () => {
    await app?.stop();
    await proxy?.close();
  });
  beforeEach(() => {
    done.length = 0;
  });

  // a busy machine may make the interruption too long
  it("of a moment fails no request", { retry: 3 }, async () => {
    const { username } = await register(app);
    await cut();
    const signedIn = login(app, username, PASSWORD);
    // a NATS client that reconnects discards what was published before
    const { refused } = proxy;
    await expect.poll(() => proxy.refused).toBeGreaterThan(refused + app.brokers.length);
    await mend();
    expect(await signedIn).toMatchObject({ username });
  });

  it("leaves no context of a call that timed out, which a stop would wait for", async () => {
    const { work } = await startWork({ timeout: 1_000 });
    await cut();
    await expect(work).rejects.toMatchObject({ code: 504 });
    expect(tracked("posts")).toEqual([]);
    await mend();
    release();
    await expect.poll(() => done).toEqual(["began", "ended"]);
  });

  it("of seconds rejects pending and new calls at once, and calls succeed afterwards", async () => {
    const { work } = await startWork();
    const token = (await register(app)).token;
    await cut();

    await expect(work).rejects.toMatchObject({ name: "RequestRejectedError", code: 503 });
    expect(tracked("posts")).toEqual([]);
    const begin = performance.now();
    await expect(callFrom(app, "posts", "slow.work")).rejects.toMatchObject({
      type: "ServiceNotAvailable",
    });
    await expect(callFrom(app, "posts", "users.posts")).rejects.toMatchObject({ code: 503 });
    const { status } = await request(app, "POST /api/posts", {
      token,
      body: { title: "Refused", body: "There" },
    });
    expect(status).toBe(503);
    const signedIn = await request(app, "POST /api/auth/login", {
      body: { username: "admin", password: PASSWORD },
    });
    expect(signedIn.body).toMatchObject({ code: 503, type: "UserServiceNotAccessible" });
    // without this each would wait for three seconds
    expect(performance.now() - begin).toBeLessThan(6_000);

    await mend();
    release();
    await expect.poll(async () => (await request(app, "GET /api/posts")).body.items).toEqual([]);
    expect(done).toEqual(["began", "ended"]);
  });

  it("does not keep a node that stops from waiting for its running calls", async () => {
    const { work } = await startWork();
    const broker = app.brokerOf("slow") as App["brokers"][number] & { stopping: boolean };
    const stopping = broker.stop();
    await expect.poll(() => broker.stopping).toBe(true);
    release();
    expect(await work).toBe("worked");
    await stopping;
    expect(done).toEqual(["began", "ended", "stopped"]);
  });
});
