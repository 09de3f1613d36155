import { Errors } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Endpoint, type Handler, toMiddleware } from "../../../lib/context/hooks.ts";
import type AuthService from "../../../services/auth/auth.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { callFrom } from "../../helpers/call.ts";
import { administrator, PASSWORD, type Person, register, request } from "../../helpers/http.ts";
import { connect } from "../../helpers/socket.ts";
import { faultOf, refresh } from "../../helpers/tokens.ts";
import { without } from "../../helpers/without.ts";

const UNAVAILABLE = [503, "UserServiceNotAccessible"];

/** What `users.identity` does instead of its work. */
let failure: (() => Promise<never>) | undefined;

const failing = toMiddleware({
  name: "FailingIdentity",
  localAction: (next: Handler, { name }: Endpoint): Handler =>
    name === "users.identity" ? (ctx) => failure?.() ?? next(ctx) : next,
});

const hang = () => new Promise<never>(() => {});
const fail = (error: Error) => async () => {
  throw error;
};

describe.skipIf(isMissing)("While users cannot be reached,", () => {
  let app: App;
  let admin: Person;
  let alice: Person;

  beforeAll(async () => {
    app = await startApp(
      {},
      { broker: ({ middlewares = [] }) => ({ middlewares: [failing, ...middlewares] }) },
    );
    admin = await administrator(app);
  });
  afterAll(() => app?.stop());
  beforeEach(async () => {
    failure = undefined;
    alice = await register(app);
  });

  const sessions = async () =>
    (await (app.service("auth") as unknown as AuthService).db
      .selectFrom("sessions")
      .select("id")
      .orderBy("id")
      .execute()) as { id: string }[];

  /** Every way to sign in or to refresh. */
  const routes = () => [
    { route: "POST /api/auth/login", body: { username: alice.username, password: PASSWORD } },
    {
      route: "POST /api/auth/register",
      body: { username: "newcomer", email: "newcomer@example.com", password: PASSWORD },
    },
    { route: "POST /api/auth/refresh", body: { refresh_token: alice.refreshToken } },
    {
      route: "POST /api/auth/token",
      body: { grant_type: "refresh_token", refresh_token: alice.refreshToken },
    },
    { route: "POST /api/auth/impersonate", body: { userId: alice.id }, token: admin.token },
  ];

  it("every sign-in and refresh responds with UserServiceNotAccessible, and begins no session", async () => {
    const before = await sessions();
    await without(app, "users", async () => {
      for (const { route, ...options } of routes()) {
        const { status, body } = await request(app, route, options);
        expect([route, status, body.type]).toEqual([route, ...UNAVAILABLE]);
      }
      const { body } = await request(app, "POST /api/auth/token", routes()[3]);
      expect(body).toMatchObject({ error: "temporarily_unavailable" });
    });
    expect(await sessions()).toEqual(before);
  });

  it("a socket's `call` responds with UserServiceNotAccessible, too", async () => {
    const socket = await connect(app, admin.token);
    const call = (action: string, params: object) =>
      new Promise<any>((resolve) => {
        socket.emit("call", action, params, (error: any) => resolve(error));
      });
    await without(app, "users", async () => {
      for (const [action, params] of [
        ["users.login", { username: alice.username, password: PASSWORD }],
        ["auth.refresh", { refresh_token: alice.refreshToken }],
        ["auth.impersonate", { userId: alice.id }],
      ] as const)
        expect(await call(action, params)).toMatchObject({ type: UNAVAILABLE[1] });
      // other actions of users keep the usual error
      expect(await call("users.profile", {})).toMatchObject({ type: "ServiceNotAvailable" });
    });
    socket.close();
  });

  it("a refresh token is not used up", async () => {
    const { refreshToken } = alice;
    await without(app, "users", async () => {
      for (let time = 0; time < 2; time++)
        expect((await refresh(app, refreshToken)).body.type).toBe(UNAVAILABLE[1]);
    });
    const { status, body } = await refresh(app, refreshToken);
    expect(status).toBe(200);
    expect(await faultOf(app, body.access_token)).toBeUndefined();
  });

  const data = { action: "users.identity", nodeID: "users-1" };

  it.each([
    ["cannot be found", fail(new Errors.ServiceNotFoundError(data))],
    ["is not available", fail(new Errors.ServiceNotAvailableError(data))],
    ["disconnects", fail(new Errors.RequestRejectedError(data))],
    ["does not respond", hang],
  ])("auth.generateToken and a login fail with it if users.identity %s", async (_how, fails) => {
    const before = await sessions();
    failure = fails;
    const [login, generated] = await Promise.all([
      request(app, "POST /api/auth/login", routes()[0]),
      callFrom(app, "users", "auth.generateToken", { userId: alice.id }).catch((error) => error),
    ]);
    expect([login.status, login.body.type]).toEqual(UNAVAILABLE);
    expect([generated.code, generated.type]).toEqual(UNAVAILABLE);
    failure = undefined;
    expect(await sessions()).toEqual(before);
  });

  it("an error of another kind, or about another action, stays what it is", async () => {
    failure = fail(new Errors.ServiceNotFoundError({ action: "posts.list" }));
    const other = await refresh(app, alice.refreshToken);
    expect(other.body.type).toBe("ServiceNotAvailable");
    failure = fail(new Error("a fault"));
    expect((await refresh(app, alice.refreshToken)).body.type).toBe("InternalError");
    failure = undefined;
    const login = await without(app, "auth", () =>
      request(app, "POST /api/auth/login", routes()[0]),
    );
    expect(login.body.type).toBe("ServiceNotAvailable");
    expect((await refresh(app, alice.refreshToken)).status).toBe(200);
  });
});
