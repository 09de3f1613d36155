import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { configOf } from "../../../lib/context/attachment.ts";
import { ensureAdministrator } from "../../../services/users/administration/first-administrator.ts";
import type UsersService from "../../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { administrator, login, PASSWORD, register, request } from "../../helpers/http.ts";
import { without } from "../../helpers/without.ts";

describe.skipIf(isMissing)("accounts", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  it("creates an account and responds with tokens under OAuth's names", async () => {
    const { status, headers, body } = await request(app, "POST /api/auth/register", {
      body: { username: "alice", email: "alice@example.com", password: PASSWORD },
    });
    expect(status).toBe(201);
    expect(headers.get("location")).toBe("/api/users/me");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(body).toEqual({
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      token_type: "Bearer",
      expires_in: 600,
      user: {
        id: expect.any(String),
        username: "alice",
        email: "alice@example.com",
        roles: ["user"],
      },
    });
  });

  it("creates no account while auth is unreachable, so that the request can be repeated", async () => {
    const body = { username: "later", email: "later@example.com", password: PASSWORD };
    const failed = await without(app, "auth", () =>
      request(app, "POST /api/auth/register", { body }),
    );
    expect(failed.status).toBe(503);
    expect((await request(app, "POST /api/auth/register", { body })).status).toBe(201);
  });

  it("accepts the username or the e-mail address at the login, in any case", async () => {
    const bob = await register(app, "bob");
    for (const name of [bob.username, bob.username.toUpperCase(), `${bob.username}@Example.com`])
      expect((await login(app, name, PASSWORD)).id).toBe(bob.id);
  });

  it("answers an unknown user and a wrong password with the same 401", async () => {
    const { username } = await register(app);
    const attempts = await Promise.all(
      [username, "unknown-user"].map((name) =>
        request(app, "POST /api/auth/login", { body: { username: name, password: "wrong" } }),
      ),
    );
    for (const { status, body } of attempts) {
      expect(status).toBe(401);
      expect(body).toEqual(attempts[0]?.body);
      expect(body.type).toBe("InvalidCredentials");
    }
  });

  it.each(["verified", "remembered"] as const)(
    "answers 401 to the login of an account that is removed after it was %s",
    async (when) => {
      const users = app.service("users") as unknown as UsersService;
      const { id, username } = await register(app);
      const { loginLimits } = users;
      const remember = loginLimits.remember.bind(loginLimits);
      const remove = () => users.accounts.remove(id, () => undefined);
      const spy = vi.spyOn(loginLimits, "remember").mockImplementationOnce(async (...given) => {
        if (when === "verified") await remove();
        await remember(...given);
        if (when === "remembered") await remove();
      });
      const body = { username, password: PASSWORD };
      const response = await request(app, "POST /api/auth/login", { body });
      expect(spy).toHaveBeenCalledOnce();
      spy.mockRestore();
      expect(response.body).toMatchObject({ code: 401, type: "InvalidCredentials" });
      const { db } = app.service("auth") as any;
      const left = db.selectFrom("sessions").selectAll().where("user_id", "=", id).execute();
      // only the session of the registration
      expect(await left).toHaveLength(1);
    },
  );

  it("refuses a username that is taken, and names no table or index", async () => {
    const { username } = await register(app);
    const { status, body } = await request(app, "POST /api/auth/register", {
      body: { username: username.toUpperCase(), email: "other@example.com", password: PASSWORD },
    });
    expect(status).toBe(409);
    expect(body.type).toBe("Conflict");
    expect(body.data).toEqual([{ field: "username", type: "taken" }]);
    expect(JSON.stringify(body)).not.toMatch(/accounts|constraint|key/i);
  });

  it("names the wrong parameters, and repeats none of their values", async () => {
    const { status, body } = await request(app, "POST /api/auth/register", {
      body: { username: "x y", email: "not-an-address", password: "short", roles: ["admin"] },
    });
    expect(status).toBe(422);
    expect(body.type).toBe("VALIDATION_ERROR");
    expect(body.data.map(({ field }: { field: string }) => field)).toEqual(
      expect.arrayContaining(["username", "email", "password"]),
    );
    expect(JSON.stringify(body)).not.toMatch(/x y|not-an-address|short|admin|action|node/);
  });

  it("shows the claims of the access token at GET /api/protected", async () => {
    const { id, token, username } = await register(app);
    const { status, body } = await request(app, "GET /api/protected", { token });
    expect(status).toBe(200);
    expect(body).toEqual({
      message: "Access granted",
      user: {
        iss: "http://localhost:3000",
        aud: "http://localhost:3000",
        sub: id,
        iat: expect.any(Number),
        exp: expect.any(Number),
        jti: expect.any(String),
        client_id: "first-party",
        sid: expect.any(String),
        generation: 1,
        username,
        roles: ["user"],
        permissions: { posts: ["write"], chat: ["write"] },
        tenantId: "default",
        environmentId: "development",
        subjectType: "EndUserAccount",
      },
    });
  });

  it("exchanges a refresh token once; a second use ends the session", async () => {
    const { token, refreshToken } = await register(app);
    const first = await request(app, "POST /api/auth/refresh", {
      body: { refresh_token: refreshToken },
    });
    expect(first.status).toBe(200);
    expect(first.body.refresh_token).not.toBe(refreshToken);

    const second = await request(app, "POST /api/auth/refresh", {
      body: { refresh_token: refreshToken },
    });
    expect(second.body.type).toBe("RefreshTokenReused");

    const third = await request(app, "POST /api/auth/refresh", {
      body: { refresh_token: first.body.refresh_token },
    });
    expect(third.body.type).toBe("RefreshTokenInvalid");
    for (const stale of [token, first.body.access_token])
      await expect
        .poll(async () => (await request(app, "GET /api/protected", { token: stale })).body.type)
        .toBe("AccessTokenRevoked");
  });

  it("lets one of twenty concurrent requests use a refresh token", async () => {
    const { refreshToken } = await register(app);
    const responses = await Promise.all(
      Array.from({ length: 20 }, () =>
        request(app, "POST /api/auth/refresh", { body: { refresh_token: refreshToken } }),
      ),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it("ends one session, or all sessions of a user", async () => {
    const { username, token } = await register(app);
    const phone = await login(app, username, PASSWORD);
    const laptop = await login(app, username, PASSWORD);
    const typeFor = async (given: string) =>
      (await request(app, "GET /api/protected", { token: given })).body.type;

    expect((await request(app, "POST /api/auth/logout", { token: phone.token })).status).toBe(204);
    await expect.poll(() => typeFor(phone.token)).toBe("AccessTokenRevoked");
    expect(await typeFor(laptop.token)).toBeUndefined();
    const refreshed = await request(app, "POST /api/auth/refresh", {
      body: { refresh_token: phone.refreshToken },
    });
    expect(refreshed.body.type).toBe("RefreshTokenInvalid");

    expect((await request(app, "POST /api/auth/logout-all", { token })).status).toBe(204);
    for (const given of [token, laptop.token])
      await expect.poll(() => typeFor(given)).toBe("AccessTokenRevoked");
  });

  it("shows and changes the user's own account", async () => {
    const { id, username, token } = await register(app);
    const mine = await request(app, "GET /api/users/me", { token });
    expect(mine.body).toMatchObject({ id, username, roles: ["user"] });

    const changed = await request(app, "PATCH /api/users/me", {
      token,
      body: { email: `${username}@example.org`, currentPassword: PASSWORD },
    });
    expect(changed.body.email).toBe(`${username}@example.org`);
  });

  it("shows e-mail and roles only to the user and to holders of users:read", async () => {
    const [one, other, admin] = [
      await register(app),
      await register(app),
      await administrator(app),
    ];
    const route = `GET /api/users/${one.id}`;
    expect((await request(app, route, { token: other.token })).body).toEqual({
      id: one.id,
      username: one.username,
      createdAt: expect.any(String),
      version: 1,
    });
    for (const { token } of [one, admin])
      expect((await request(app, route, { token })).body).toMatchObject({ roles: ["user"] });
  });

  it("finds accounts by the beginning of their username, page by page", async () => {
    const { token } = await register(app);
    const zoes = [
      await register(app, "zoe"),
      await register(app, "zoe"),
      await register(app, "zoe"),
    ];
    const first = await request(app, "GET /api/users?query=ZOE&limit=2", { token });
    expect(first.body.items.map(({ id }: { id: string }) => id)).toEqual([
      zoes[2]?.id,
      zoes[1]?.id,
    ]);
    const rest = await request(
      app,
      `GET /api/users?query=zoe&limit=2&cursor=${first.body.nextCursor}`,
      { token },
    );
    expect(rest.body).toMatchObject({ items: [{ id: zoes[0]?.id }], nextCursor: null });
  });

  it("finds accounts by the beginnings of the parts of their usernames", async () => {
    const { token } = await register(app);
    const { id, username } = await register(app, "quill.pen");
    const found = async (query: string) => {
      const { body } = await request(app, `GET /api/users?query=${encodeURIComponent(query)}`, {
        token,
      });
      return body.items.map((user: { id: string }) => user.id);
    };
    const last = username.split("-").at(-1)!;
    for (const query of ["pen", "PE", "pen quill", last.slice(0, 4), "quill.p"])
      expect(await found(query)).toContain(id);
    for (const query of ["en", "pencil", "' | & ! :* \\", "quill paper"])
      expect(await found(query)).not.toContain(id);
  });

  it("lets an administrator create, change and remove accounts and set their roles", async () => {
    const { token } = await administrator(app);
    const created = await request(app, "POST /api/users", {
      token,
      body: { username: "carol", email: "carol@example.com", password: PASSWORD },
    });
    expect(created.status).toBe(201);
    const { id } = created.body;
    expect(created.headers.get("location")).toBe(`/api/users/${id}`);

    const changed = await request(app, `PUT /api/users/${id}`, {
      token,
      body: { username: "caroline", password: "another password" },
    });
    expect(changed.body.username).toBe("caroline");

    const roles = await request(app, `PUT /api/users/${id}/roles`, {
      token,
      body: { roles: ["moderator"] },
    });
    expect(roles.body.roles).toEqual(["moderator"]);
    const carol = await login(app, "caroline", "another password");
    const { body } = await request(app, "GET /api/protected", { token: carol.token });
    expect(body.user.permissions).toMatchObject({
      posts: ["moderate", "write"],
      users: ["read"],
    });

    expect((await request(app, `DELETE /api/users/${id}`, { token })).status).toBe(204);
    expect((await request(app, `DELETE /api/users/${id}`, { token })).status).toBe(404);
    await expect
      .poll(async () => (await request(app, "GET /api/users/me", { token: carol.token })).body.type)
      .toBe("AccessTokenRevoked");
  });

  it.each([
    ["POST /api/users", { username: "mallory", email: "m@example.com", password: PASSWORD }],
    ["PUT /api/users/:id", { username: "mallory" }],
    ["PUT /api/users/:id/roles", { roles: ["admin"] }],
    ["DELETE /api/users/:id", undefined],
  ])("refuses %s to a user without the permission, and changes nothing", async (route, body) => {
    const [one, victim] = [await register(app), await register(app)];
    const refused = await request(app, route.replace(":id", victim.id), { token: one.token, body });
    expect(refused.status).toBe(403);
    expect(refused.body.type).toBe("UserNotAuthorized");
    const after = await request(app, "GET /api/users/me", { token: victim.token });
    expect(after.body).toMatchObject({ username: victim.username, roles: ["user"] });
    const { token } = await administrator(app);
    const found = await request(app, "GET /api/users?query=mallory", { token });
    expect(found.body.items).toEqual([]);
  });

  it("warns if the first administrator's username is that of another account", async () => {
    const { accounts, passwords } = app.service("users") as unknown as UsersService;
    const account = await accounts.findByLogin("admin");
    const warnings: string[] = [];
    const ensure = () =>
      ensureAdministrator(configOf(app.brokerOf("users")), accounts, passwords, (message) =>
        warnings.push(message),
      );
    await ensure();
    expect(warnings).toEqual([]);
    await accounts.change(account!.id, () => ({ roles: ["user"] }));
    try {
      await ensure();
      expect(warnings).toEqual([expect.stringMatching(/no administrator: .*ADMIN_USERNAME/)]);
    } finally {
      await accounts.change(account!.id, () => ({ roles: ["admin"] }));
    }
  });

  it("refuses passwords over 72 bytes, since bcrypt would ignore the rest", async () => {
    const { status, body } = await request(app, "POST /api/auth/register", {
      body: { username: "long-one", email: "long@example.com", password: "é".repeat(40) },
    });
    expect(status).toBe(422);
    expect(body.data[0].field).toBe("password");
  });
});
