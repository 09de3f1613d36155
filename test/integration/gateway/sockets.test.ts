import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { io as client } from "socket.io-client";
import { type App, isMissing, sharedApp, startApp } from "../../helpers/app.ts";
import { login, PASSWORD, type Person, register, request } from "../../helpers/http.ts";
import { connect, next, refusal } from "../../helpers/socket.ts";
import type { Gateways } from "../../../services/api/gateways.ts";
import { revocationsOf } from "../../../middlewares/auth/index.ts";

describe.skipIf(isMissing)("A socket", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await sharedApp();
    alice = await register(app, "alice");
  });
  afterAll(() => app?.stop());

  it.each([
    ["auth.token", (token: string) => connect(app, token)],
    [
      "the Authorization header",
      (token: string) =>
        connect(app, undefined, { extraHeaders: { authorization: `Bearer ${token}` } }),
    ],
    ["the query", (token: string) => connect(app, undefined, { query: { token } })],
  ])("connects with a token in %s", async (_where, open) => {
    const socket = await open(alice.token);
    expect(socket.connected).toBe(true);
    socket.close();
  });

  it("without a token is refused with the error object", async () => {
    expect(await refusal(app)).toEqual({
      name: "AccessTokenRequiredError",
      message: expect.any(String),
      code: 401,
      type: "AccessTokenRequired",
    });
  });

  it.each(["nonsense", "a.b.c", ""])("with the token '%s' is refused", async (token) => {
    const { type } = await refusal(app, token);
    expect(type).toBe(token ? "AccessTokenVerificationFailed" : "AccessTokenRequired");
  });

  it("from a page of another origin is refused", async () => {
    // the same host with another scheme is another origin, too
    for (const origin of ["https://evil.example", app.url.replace("http:", "https:")]) {
      const options = { extraHeaders: { origin } };
      expect(await refusal(app, alice.token, options)).toMatchObject({
        type: "OriginNotAllowed",
        code: 403,
      });
    }
    const own = await connect(app, alice.token, { extraHeaders: { origin: app.url } });
    own.close();
  });

  it("calls actions that have a route, on behalf of its user", async () => {
    const socket = await connect(app, alice.token);
    const call = (action: unknown, params?: unknown) =>
      new Promise<[any, any]>((resolve) =>
        socket.emit("call", action, params, (error: any, result: any) => resolve([error, result])),
      );
    expect(await call("users.profile", {})).toEqual([
      null,
      expect.objectContaining({ id: alice.id }),
    ]);
    expect((await call("users.create", {}))[0].type).toBe("UserNotAuthorized");
    for (const hidden of [
      "users.list",
      "guard.generate",
      "auth.generateToken",
      "api.broadcast",
      "$node.list",
      "constructor",
      "__proto__",
      {},
      null,
    ])
      expect((await call(hidden, {}))[0]).toMatchObject({ type: "NotFound", code: 404 });
    socket.close();
  });

  it("accepts a new token of its user and refuses that of another user", async () => {
    const socket = await connect(app, alice.token);
    const again = await login(app, alice.username, PASSWORD);
    const { ok, data } = await socket.emitWithAck("auth:refresh", { token: again.token });
    expect(ok).toBe(true);
    expect(data.exp).toBeGreaterThan(Date.now() / 1000);

    const mallory = await register(app);
    const refused = await socket.emitWithAck("auth:refresh", { token: mallory.token });
    expect(refused).toMatchObject({ ok: false, error: { type: "UserNotAuthorized" } });
    const ack = await socket.emitWithAck("message", { text: "Still me" });
    expect(ack.data.userId).toBe(alice.id);
    socket.close();
  });

  it.each([[], [{}], ["nonsense"], [{ token: 5 }], [{ token: {} }]])(
    "that refreshes with %j is acknowledged with AccessTokenRequired",
    async (...sent) => {
      const socket = await connect(app, alice.token);
      const ack = await socket.timeout(5_000).emitWithAck("auth:refresh", ...sent);
      expect(ack).toMatchObject({ ok: false, error: { type: "AccessTokenRequired" } });
      socket.close();
    },
  );

  it("whose session ended between the handshake and the connection is closed", async () => {
    const bob = await register(app, "bob");
    const { sid } = JSON.parse(Buffer.from(bob.token.split(".")[1]!, "base64url").toString());
    const { io } = app.service("api") as unknown as Gateways;
    // runs after the authorization; only bob's socket connects from here on
    io.of("/").use((_socket, proceed) => {
      revocationsOf(app.brokerOf("api")).add(sid, Date.now() / 1000 + 600);
      proceed();
    });
    const socket = client(app.url, {
      transports: ["websocket"],
      forceNew: true,
      reconnection: false,
      auth: { token: bob.token },
    });
    expect(await next(socket, "session:end")).toMatchObject({ type: "AccessTokenRevoked" });
    socket.close();
  });

  it("whose session ends receives session:end and is closed", async () => {
    const bob = await register(app, "bob");
    const socket = await connect(app, bob.token);
    const reason = next(socket, "session:end");
    const closed = next(socket, "disconnect");
    await request(app, "POST /api/auth/logout", { token: bob.token });
    expect(await reason).toMatchObject({ type: "AccessTokenRevoked", code: 401 });
    expect(await closed).toBe("io server disconnect");
    expect(await refusal(app, bob.token)).toMatchObject({ type: "AccessTokenRevoked" });
  });

  it("that calls auth.logout is acknowledged, then closed", async () => {
    const bob = await register(app);
    const socket = await connect(app, bob.token);
    const closed = next(socket, "disconnect");
    const [error, result] = await new Promise<any[]>((resolve) =>
      socket.emit("call", "auth.logout", {}, (...ack: any[]) => resolve(ack)),
    );
    expect([error, result]).toEqual([null, null]);
    await closed;
  });
});

describe.skipIf(isMissing)("A socket whose token expires", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp({ ACCESS_TOKEN_TTL: "4" });
  });
  afterAll(() => app?.stop());

  it("is closed although it is idle", async () => {
    const { token } = await register(app);
    const socket = await connect(app, token);
    const reason = next(socket, "session:end");
    expect(await reason).toMatchObject({ type: "AccessTokenExpired" });
  });

  it("stays open with the last of two tokens that it sends at the same time", async () => {
    const { username, token } = await register(app);
    const socket = await connect(app, token);
    // `exp` is in whole seconds
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const later = await login(app, username, PASSWORD);
    const [first, second] = await Promise.all(
      [token, later.token].map((one) => socket.emitWithAck("auth:refresh", { token: one })),
    );
    expect([first.ok, second.ok]).toEqual([true, true]);
    await new Promise((resolve) => setTimeout(resolve, first.data.exp * 1000 + 200 - Date.now()));
    expect(socket.connected).toBe(true);
    expect(await next(socket, "session:end")).toMatchObject({ type: "AccessTokenExpired" });
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(second.data.exp);
  });
});
