import { once } from "node:events";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { type Cable, layCable } from "../helpers/cable.ts";
import { callFrom } from "../helpers/call.ts";
import { login, PASSWORD, register, request } from "../helpers/http.ts";
import { freePort, startNats } from "../helpers/servers.ts";

// It kills a NATS server, so it starts its own.
describe.skipIf(isMissing)("while NATS is away", () => {
  it("the gateway is not ready; when it is back, everything goes on", async () => {
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
        body: { title: "Back", body: "again" },
      });

      expect(status).toBe(201);
    } finally {
      await app.stop();

      nats.kill();
    }
  });
});

describe.skipIf(isMissing)("a connection to NATS that is cut", () => {
  let app: App;
  let cable: Cable;
  /** What the slow service did, and what lets it end. */
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

  /** A call of the slow service that runs. */
  const startWork = async (options: Record<string, unknown> = {}) => {
    const work = callFrom(app, "posts", "slow.work", {}, options);
    work.catch(() => {});
    await expect.poll(() => done).toEqual(["began"]);
    // in an object: a promise that is returned would be waited for
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
    cable.cut();
    await isCut;
  };

  const mend = async () => {
    const isMended = isConnected(true);
    cable.mend();
    await isMended;
  };

  beforeAll(async () => {
    cable = await layCable(Number(new URL(inject("natsUrl")!).port));
    app = await startApp(
      { NATS_URL: `nats://127.0.0.1:${cable.port}` },
      { services: [slow as never] },
    );
  });
  afterAll(async () => {
    await app?.stop();
    await cable?.close();
  });
  beforeEach(() => {
    done.length = 0;
  });

  // again where the machine was too busy for it to be a moment
  it("for a moment fails no request", { retry: 3 }, async () => {
    const { username } = await register(app);
    await cut();
    const answer = login(app, username, PASSWORD);
    // a client that dials forgets what it was given before
    const { refused } = cable;
    await expect.poll(() => cable.refused).toBeGreaterThan(refused + app.brokers.length);
    await mend();
    expect(await answer).toMatchObject({ username });
  });

  it("leaves nothing of a call that timed out, which a stop would wait for", async () => {
    const { work } = await startWork({ timeout: 1_000 });
    await cut();
    await expect(work).rejects.toMatchObject({ code: 504 });
    expect(tracked("posts")).toEqual([]);
    await mend();
    release();
    await expect.poll(() => done).toEqual(["began", "ended"]);
  });

  it("for long has calls given up and refused at once, and then goes on", async () => {
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
      body: { title: "Never", body: "was" },
    });
    expect(status).toBe(503);
    // each would wait for three seconds
    expect(performance.now() - begin).toBeLessThan(6_000);

    await mend();
    release();
    await expect.poll(async () => (await request(app, "GET /api/posts")).body.items).toEqual([]);
    expect(done).toEqual(["began", "ended"]);
  });

  it("is no excuse: a node that stops waits for what it is working on", async () => {
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
