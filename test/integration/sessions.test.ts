import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { administrator, login, PASSWORD, register, request } from "../helpers/http.ts";

const refresh = (app: App, token: string) =>
  request(app, "POST /api/auth/refresh", { body: { refresh_token: token } });

const typeFor = async (app: App, token: string) =>
  (await request(app, "GET /api/protected", { token })).body.type;

/** Runs something while a service is away. */
async function without<T>(app: App, name: string, run: () => Promise<T>): Promise<T> {
  const broker = app.brokerOf(name);
  await broker.destroyService(app.service(name));
  try {
    return await run();
  } finally {
    const file = new URL(`../../services/${name}/${name}.service.ts`, import.meta.url).pathname;
    broker.loadService(file);
    await Promise.all(app.brokers.map((one) => one.waitForServices(name, 10_000, 20)));
  }
}

describe.skipIf(isMissing)("sessions", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  it("end everywhere, or the client is told that not all could be told", async () => {
    // the first session that ends here: auth has no call token yet to tell of it
    const { token, refreshToken } = await register(app);
    const refreshed = await refresh(app, refreshToken);
    const other = await register(app);
    await request(app, "GET /api/protected", { token });
    const { body } = await without(app, "guard", () =>
      request(app, "POST /api/auth/logout", { token: refreshed.body.access_token }),
    );
    expect(body.type).toBe("GuardNotAccessible");
    expect(await typeFor(app, token)).toBe("AccessTokenRevoked");
    expect((await request(app, "POST /api/auth/logout", { token: other.token })).status).toBe(204);
  });

  it("outlive a refresh that failed because users was away", async () => {
    const { refreshToken } = await register(app);
    const failed = await without(app, "users", () => refresh(app, refreshToken));
    expect(failed.status).toBe(503);
    const { status, body } = await refresh(app, refreshToken);
    expect(status).toBe(200);
    expect((await refresh(app, body.refresh_token)).status).toBe(200);
  });

  it("end when an administrator changes the password", async () => {
    const bob = await register(app);
    const { token } = await administrator(app);
    const route = `PUT /api/users/${bob.id}`;
    const renamed = { username: `${bob.username}-2` };
    expect((await request(app, route, { token, body: renamed })).status).toBe(200);
    expect(await typeFor(app, bob.token)).toBeUndefined();

    await request(app, route, { token, body: { password: "another password" } });
    await expect.poll(() => typeFor(app, bob.token)).toBe("AccessTokenRevoked");
    expect((await refresh(app, bob.refreshToken)).body.type).toBe("RefreshTokenInvalid");
    const again = await login(app, `${bob.username}-2`, "another password");
    expect(await typeFor(app, again.token)).toBeUndefined();
  });

  it("are told of again when they are ended again", async () => {
    const { username, token } = await register(app);
    const phone = await login(app, username, PASSWORD);
    await request(app, "POST /api/auth/logout", { token: phone.token });
    const told: string[] = [];
    const listener = app.brokerOf("chat").createService({
      name: "$listener",
      events: {
        "session.revoked": {
          restricted: ["auth"],
          auth: "none",
          handler: (ctx: { params: { sid: string } }) => void told.push(ctx.params.sid),
        },
      },
    } as never);
    const { sid } = JSON.parse(Buffer.from(phone.token.split(".")[1]!, "base64url").toString());
    await request(app, "POST /api/auth/logout-all", { token });
    await expect.poll(() => told).toContain(sid);
    await app.brokerOf("chat").destroyService(listener);
  });
});

describe.skipIf(isMissing)("sessions that were ended", () => {
  it("stay so when everything is started again", async () => {
    const first = await startApp();
    const { token } = await register(first);
    const other = await register(first);
    await request(first, "POST /api/auth/logout", { token });
    await Promise.all(first.brokers.map((broker) => broker.stop()));
    const { DATA_DIR, DATABASE_URL } = first.env;
    const second = await startApp({
      DATA_DIR: DATA_DIR!,
      ...(DATABASE_URL && { DATABASE_URL }),
    });
    try {
      expect(await typeFor(second, token)).toBe("AccessTokenRevoked");
      expect(await typeFor(second, other.token)).toBeUndefined();
    } finally {
      await second.stop();
      await first.stop();
    }
  });
});
