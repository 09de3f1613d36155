import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { isMissing, startApp } from "../helpers/app.ts";
import { register, request } from "../helpers/http.ts";
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
