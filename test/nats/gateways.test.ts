import { describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { startProxy } from "../helpers/proxy.ts";
import { startGateway } from "../helpers/gateway.ts";
import { register, request } from "../helpers/http.ts";
import { connect, next } from "../helpers/socket.ts";
import { faultOf } from "../helpers/tokens.ts";

describe.skipIf(isMissing)("Two gateways", () => {
  it("share the counts of their rate limits", async () => {
    const settings = { RATE_LIMIT_ADDRESS: "500/3600", RATE_LIMIT_PUBLIC: "5/3600" };
    const app = await startApp(settings);
    const other = await startGateway(app);
    try {
      // a public write that hashes no password
      const verify = (at: Pick<App, "url">) =>
        request(at, "POST /api/auth/verify-email", { body: { token: "unknown" } });
      for (let count = 0; count < 6; count++) await verify(app);
      expect((await verify(app)).status).toBe(429);
      await expect.poll(async () => (await verify(other)).status).toBe(429);
    } finally {
      await other.stop();
      await app.stop();
    }
  });

  it("refuse the tokens of a session that ended while one gateway was disconnected from NATS", async () => {
    const app = await startApp();
    const proxy = await startProxy(Number(new URL(app.env.NATS_URL!).port));
    const other = await startGateway(app, { NATS_URL: `nats://127.0.0.1:${proxy.port}` });
    try {
      const [alice, bob] = [await register(app), await register(app)];
      const fault = (token: string) => faultOf(other, token);
      expect([await fault(alice.token), await fault(bob.token)]).toEqual([undefined, undefined]);
      const sockets = [await connect(other, alice.token), await connect(other, bob.token)];
      const ended = next(sockets[0]!, "session:end");

      proxy.cut();
      expect((await request(app, "POST /api/auth/logout", { token: alice.token })).status).toBe(
        204,
      );
      proxy.restore();

      expect((await ended).type).toBe("AccessTokenRevoked");
      const isGood = [undefined, "AccessTokenRevoked"];
      await expect.poll(async () => isGood.includes(await fault(alice.token))).toBe(true);
      expect(await fault(alice.token)).toBe("AccessTokenRevoked");
      await expect.poll(() => fault(bob.token)).toBeUndefined();
      expect(sockets[1]!.connected).toBe(true);
      for (const socket of sockets) socket.close();
    } finally {
      await other.stop();
      await app.stop();
      await proxy.close();
    }
  });
});
