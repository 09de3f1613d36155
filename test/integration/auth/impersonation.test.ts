import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type AuthService from "../../../services/auth/auth.service.ts";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { administrator, login, type Person, register, request } from "../../helpers/http.ts";
import { claimsOf, faultOf, tokenFor } from "../../helpers/tokens.ts";

describe.skipIf(isMissing)("An impersonation", () => {
  let app: App;
  let admin: Person;
  let alice: Person;

  beforeAll(async () => {
    app = await sharedApp();
    admin = await administrator(app);
    alice = await register(app, "alice");
  });

  const impersonate = (token: string, userId: string) =>
    request(app, "POST /api/auth/impersonate", { token, body: { userId } });

  const setRoles = (id: string, roles: string[]) =>
    request(app, `PUT /api/users/${id}/roles`, { token: admin.token, body: { roles } });

  /** Another administrator. */
  const makeDeputy = async (): Promise<Person> => {
    const { id, username, password } = await register(app);
    expect((await setRoles(id, ["admin"])).status).toBe(200);
    return login(app, username, password);
  };

  const sessionsOf = async ({ token }: Person): Promise<any[]> =>
    (await request(app, "GET /api/auth/sessions", { token })).body.items;

  const count = async () =>
    (
      await (app.service("auth") as any).db
        .selectFrom("sessions")
        .select("id")
        .where("impersonator_id", "is not", null)
        .execute()
    ).length;

  it("gives an access token that names the user and the impersonator", async () => {
    const { status, body } = await impersonate(admin.token, alice.id);
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_in: 600,
      user: expect.objectContaining({ id: alice.id, username: alice.username, roles: ["user"] }),
    });
    const { body: whole } = await request(app, "GET /api/protected", { token: body.access_token });
    expect(whole.user).toMatchObject({
      sub: alice.id,
      username: alice.username,
      subjectType: "ImpersonatedUserAccount",
      permissions: { chat: ["write"], posts: ["write"] },
      act: { sub: admin.id, username: "admin" },
      tenantId: "default",
      environmentId: "development",
    });
    expect(whole.user.sid).not.toBe(claimsOf(alice.token).sid);
    const post = { title: "For", body: "her" };
    const { body: written } = await request(app, "POST /api/posts", {
      token: body.access_token,
      body: post,
    });
    expect(written.authorId).toBe(alice.id);
  });

  it("has both names in the audit trail", async () => {
    const { body } = await impersonate(admin.token, alice.id);
    expect(
      (await auditOf(app, { event: "impersonation.started", userId: alice.id }))[0],
    ).toMatchObject({
      actor: "admin",
      subject: alice.username,
    });
    await request(app, "POST /api/auth/logout", { token: body.access_token });
    const ended = await auditOf(app, { event: "session.ended", userId: admin.id });
    expect(ended).toContainEqual(
      expect.objectContaining({
        actor: alice.username,
        impersonator: "admin",
        data: { session: claimsOf(body.access_token).sid },
      }),
    );
    expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
    expect(await faultOf(app, alice.token)).toBeUndefined();
  });

  it("is listed for the user, who can end it", async () => {
    const bob = await register(app, "bob");
    const { body } = await impersonate(admin.token, bob.id);
    const { sid } = claimsOf(body.access_token);
    const shown = (await sessionsOf(bob)).find(({ id }) => id === sid);
    expect(shown).toMatchObject({
      current: false,
      impersonator: { id: admin.id, username: "admin" },
    });
    const route = `DELETE /api/auth/sessions/${sid}`;
    expect((await request(app, route, { token: bob.token })).status).toBe(204);
    expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
    expect(await sessionsOf(bob)).toHaveLength(1);
  });

  it("ends with the impersonator's session", async () => {
    const other = await administrator(app);
    const { body } = await impersonate(other.token, alice.id);
    const kept = await impersonate(admin.token, alice.id);
    await request(app, "POST /api/auth/logout", { token: other.token });
    expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
    expect(await faultOf(app, kept.body.access_token)).toBeUndefined();
    expect(await faultOf(app, alice.token)).toBeUndefined();
  });

  it("does not begin in a session that ends at the same time, nor without a session of auth", async () => {
    const other = await administrator(app);
    const before = await count();
    const auth = app.service("auth") as unknown as AuthService;
    const begin = auth.sessions.createImpersonation.bind(auth.sessions);
    const spy = vi
      .spyOn(auth.sessions, "createImpersonation")
      .mockImplementationOnce(async (session) => {
        await request(app, "POST /api/auth/logout", { token: other.token });
        return begin(session);
      });
    const late = await impersonate(other.token, alice.id);
    spy.mockRestore();
    expect([late.status, late.body.type]).toEqual([403, "UserNotAuthorized"]);
    const { permissions } = claimsOf(admin.token);
    const foreign = await impersonate(tokenFor(app, { permissions }), alice.id);
    expect([foreign.status, foreign.body.type]).toEqual([403, "UserNotAuthorized"]);
    expect(await count()).toBe(before);
  });

  it("does not begin with a token that is revoked at the same time", async () => {
    const deputy = await makeDeputy();
    const before = await count();
    const auth = app.service("auth") as unknown as AuthService;
    const begin = auth.sessions.createImpersonation.bind(auth.sessions);
    const spy = vi
      .spyOn(auth.sessions, "createImpersonation")
      .mockImplementationOnce(async (session) => {
        await setRoles(deputy.id, ["user"]);
        return begin(session);
      });
    const { status, body } = await impersonate(deputy.token, alice.id);
    spy.mockRestore();
    expect([status, body.type]).toEqual([401, "AccessTokenExpired"]);
    expect(await count()).toBe(before);
  });

  it("is limited to 30 a minute for each impersonator", async () => {
    const deputy = await makeDeputy();
    for (let at = 0; at < 30; at += 1)
      expect((await impersonate(deputy.token, deputy.id)).status).toBe(403);
    const before = await count();
    const { status, headers, body } = await impersonate(deputy.token, alice.id);
    expect([status, body.type]).toEqual([429, "TooManyRequests"]);
    expect(Number(headers.get("retry-after"))).toBe(body.data.retryAfter);
    expect(await count()).toBe(before);
    expect((await impersonate((await makeDeputy()).token, alice.id)).status).toBe(200);
  });

  it("ends with the impersonator's session that ends at the same time", async () => {
    const other = await administrator(app);
    const [, ...begun] = await Promise.all([
      request(app, "POST /api/auth/logout", { token: other.token }),
      ...Array.from({ length: 10 }, () => impersonate(other.token, alice.id)),
    ]);
    for (const { status, body } of begun)
      if (status === 200) expect(await faultOf(app, body.access_token)).toBe("AccessTokenRevoked");
  });

  it("can neither list nor end the user's sessions, nor begin another impersonation", async () => {
    const { body } = await impersonate(admin.token, alice.id);
    const token = body.access_token;
    const { sid } = claimsOf(alice.token);
    const before = await count();
    for (const route of [
      "GET /api/auth/sessions",
      "POST /api/auth/logout-all",
      `DELETE /api/auth/sessions/${sid}`,
    ])
      expect((await request(app, route, { token })).body.type).toBe("UserNotAuthorized");
    const boss = await register(app, "boss");
    await setRoles(boss.id, ["admin"]);
    const asBoss = (await impersonate(admin.token, boss.id)).body.access_token;
    expect(claimsOf(asBoss).permissions.users).toContain("impersonate");
    expect((await impersonate(asBoss, alice.id)).body.type).toBe("UserNotAuthorized");
    expect(await count()).toBe(before + 1);
    expect(await faultOf(app, alice.token)).toBeUndefined();
  });

  it.each([
    ["a user without the permission", () => alice.token, () => admin.id],
    ["the impersonator as the user", () => admin.token, () => admin.id],
    [
      "a SuperUserAccount",
      () => tokenFor(app, { permissions: claimsOf(admin.token).permissions }),
      () => admin.id,
    ],
    [
      "a user with a permission that the impersonator lacks",
      () => tokenFor(app, { permissions: { users: ["impersonate"], posts: ["write"] } }),
      () => alice.id,
    ],
    [
      "an EndUserAccount with the permission",
      () =>
        tokenFor(app, {
          permissions: claimsOf(admin.token).permissions,
          subjectType: "EndUserAccount",
        }),
      () => alice.id,
    ],
    [
      "a service account with the permission",
      () =>
        tokenFor(app, {
          permissions: claimsOf(admin.token).permissions,
          subjectType: "ServiceAccount",
        }),
      () => alice.id,
    ],
  ])("is refused for %s", async (_, token, userId) => {
    const before = await count();
    const { status, body } = await impersonate(token(), userId());
    expect([status, body.type]).toEqual([403, "UserNotAuthorized"]);
    expect(await count()).toBe(before);
  });

  it("answers NotFound for a service account and an unknown id", async () => {
    const { body: robot } = await request(app, "POST /api/auth/service-accounts", {
      token: admin.token,
      body: { name: "a robot", permissions: [] },
    });
    const before = await count();
    for (const id of [robot.id, randomUUID()])
      expect((await impersonate(admin.token, id)).status).toBe(404);
    expect(await count()).toBe(before);
  });
});
