import type { Kysely } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AllTables } from "../../../services/users/components.ts";
import type UsersService from "../../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { administrator, login, type Person, register, request } from "../../helpers/http.ts";
import { makeRole, setRoles, withRoles } from "../../helpers/roles.ts";
import { claimsOf, faultOf, refresh } from "../../helpers/tokens.ts";

describe.skipIf(isMissing)("A role made at run time", () => {
  let app: App;
  let admin: Person;

  beforeAll(async () => {
    app = await startApp();
    admin = await administrator(app);
  });
  afterAll(() => app?.stop());

  const send = (route: string, body?: object, headers = {}) =>
    request(app, route, { token: admin.token, body, headers });

  it("is created, read, changed with If-Match, and removed", async () => {
    const made = await send("POST /api/roles", {
      name: "press",
      title: "Press office",
      permissions: ["chat:announce"],
    });
    expect([made.status, made.headers.get("location")]).toEqual([201, "/api/roles/press"]);
    expect(made.body).toEqual({
      name: "press",
      title: "Press office",
      permissions: ["chat:announce"],
      staff: false,
      builtIn: false,
      createdAt: expect.any(String),
      createdBy: admin.id,
      version: 1,
    });

    const read = await send("GET /api/roles/press");
    expect(read.body).toEqual(made.body);
    const etag = read.headers.get("etag")!;
    const change = { title: "Press", permissions: ["chat:announce", "posts:write"], staff: false };
    const changed = await send("PUT /api/roles/press", change, { "if-match": etag });
    expect(changed.body).toEqual({ ...made.body, ...change, version: 2 });
    const late = await send("PUT /api/roles/press", change, { "if-match": etag });
    expect(late.body.type).toBe("PreconditionFailed");
    const lateRemoval = await send("DELETE /api/roles/press", undefined, { "if-match": etag });
    expect(lateRemoval.body.type).toBe("PreconditionFailed");

    expect((await send("DELETE /api/roles/press")).status).toBe(204);
    for (const route of ["GET /api/roles/press", "DELETE /api/roles/press"])
      expect((await send(route)).status).toBe(404);
    expect((await send("PUT /api/roles/press", change)).status).toBe(404);
    const [removed] = await auditOf(app, { event: "role.removed" });
    expect(removed).toMatchObject({ actorId: admin.id, data: { role: "press" } });
    const [entry] = await auditOf(app, { event: "role.changed" });
    expect(entry.data).toEqual({
      role: "press",
      before: ["chat:announce"],
      after: ["chat:announce", "posts:write"],
    });
    const [created] = await auditOf(app, { event: "role.created" });
    expect(created.data).toEqual({ role: "press", permissions: ["chat:announce"] });
  });

  it("is listed after the built-in ones, which have their permissions", async () => {
    await makeRole(app, admin.token, { name: "listed", permissions: [] });
    const { items, nextCursor } = (await send("GET /api/roles")).body;
    expect(nextCursor).toBeNull();
    expect(items.slice(0, 3).map((role: any) => [role.name, role.builtIn, role.staff])).toEqual([
      ["user", true, false],
      ["moderator", true, true],
      ["admin", true, true],
    ]);
    expect(items.find(({ name }: any) => name === "listed")).toMatchObject({ builtIn: false });
    const { body } = await send("GET /api/roles/moderator");
    expect(body).toEqual(items[1]);
    expect(body.permissions).toContain("posts:moderate");
  });

  it("can have the permissions that GET /api/permissions lists as grantable", async () => {
    const { items } = (await send("GET /api/permissions")).body;
    expect(items).toContainEqual({
      name: "users:roles",
      title: "Users: Manage roles",
      description: "Create, change and remove roles.",
      grantable: true,
    });
    const permissions = items
      .filter(({ grantable }: any) => grantable)
      .map(({ name }: any) => name);
    expect(await makeRole(app, admin.token, { name: "everything", permissions })).toMatchObject({
      permissions,
    });
  });

  it.each(["user", "moderator", "admin"])("cannot have the built-in name '%s'", async (name) => {
    const body = { title: "Mine", permissions: [], staff: false };
    for (const [route, given] of [
      ["POST /api/roles", { name, ...body }],
      [`PUT /api/roles/${name}`, body],
      [`DELETE /api/roles/${name}`, undefined],
    ] as const)
      expect((await send(route, given)).body).toMatchObject({ type: "Conflict" });
  });

  it("cannot have the name of another one", async () => {
    await makeRole(app, admin.token, { name: "twice", permissions: [] });
    const body = { name: "twice", title: "Twice", permissions: ["posts:write"] };
    expect((await send("POST /api/roles", body)).body.type).toBe("Conflict");
    expect((await send("GET /api/roles/twice")).body.permissions).toEqual([]);
  });

  it.each(["a", "Support", "1st", "a_b", "a b", "-a", "a".repeat(41), "__proto__", ""])(
    "cannot have the name '%s'",
    async (name) => {
      const body = { name, title: "Mine", permissions: [] };
      expect((await send("POST /api/roles", body)).body.type).toBe("VALIDATION_ERROR");
    },
  );

  it("cannot have a permission that no contract declares", async () => {
    const { body } = await send("POST /api/roles", {
      name: "dreamer",
      title: "Dreamer",
      permissions: ["posts:write", "posts:dream"],
    });
    expect(body).toMatchObject({
      type: "VALIDATION_ERROR",
      data: [{ field: "permissions[1]", type: "permissionNotGrantable" }],
    });
  });

  it("named like a property of objects is a role like any other", async () => {
    const { id } = await register(app);
    expect((await setRoles(app, admin.token, id, ["constructor"])).status).toBe(422);
    await makeRole(app, admin.token, { name: "constructor", permissions: ["posts:moderate"] });
    const person = await withRoles(app, admin.token, "constructor");
    expect(claimsOf(person.token).permissions).toEqual({ posts: ["moderate"] });
  });

  it("gives its permissions to accounts that sign in, together with those of built-in roles", async () => {
    await makeRole(app, admin.token, { name: "herald", permissions: ["chat:announce"] });
    const person = await withRoles(app, admin.token, "user", "herald");
    expect(claimsOf(person.token)).toMatchObject({
      roles: ["user", "herald"],
      permissions: { chat: ["announce", "write"], posts: ["write"] },
      subjectType: "EndUserAccount",
    });
    const { status } = await request(app, "POST /api/chat/announcements", {
      token: person.token,
      body: { text: "Hear, hear" },
    });
    expect(status).toBe(204);
  });

  it("is known to the REPL's `can`", async () => {
    await makeRole(app, admin.token, { name: "watch", permissions: ["users:read"], staff: true });
    const users = app.service("users") as unknown as UsersService;
    expect(await users.subjectOfRole("watch")).toEqual({
      permissions: ["users:read"],
      roles: ["watch"],
      subjectType: "UserAccount",
    });
    expect(await users.subjectOfRole("watches")).toBeUndefined();
    const { username } = await withRoles(app, admin.token, "watch");
    expect(await users.subjectOf(username)).toMatchObject({ permissions: ["users:read"] });
  });

  it("is hidden by a built-in role of the same name, as a newer version may have", async () => {
    const users = app.service("users") as unknown as UsersService;
    const stored = {
      title: "Old",
      staff: true,
      created_by: admin.id,
      permissions: ["users:write"],
    };
    await users.db
      .insertInto("roles")
      .values({ name: "user", ...stored })
      .execute();
    expect(await users.roles.hidden()).toEqual(["user"]);
    const { items } = (await send("GET /api/roles")).body;
    expect(items.filter(({ name }: any) => name === "user")).toMatchObject([{ builtIn: true }]);
    const { permissions, subjectType } = claimsOf((await register(app)).token);
    expect([permissions, subjectType]).toEqual([
      { chat: ["write"], posts: ["write"] },
      "EndUserAccount",
    ]);
    await users.db.deleteFrom("roles").where("name", "=", "user").execute();
  });

  it("makes its accounts staff only with `staff`", async () => {
    await makeRole(app, admin.token, { name: "clerk", permissions: ["users:write"], staff: true });
    await makeRole(app, admin.token, { name: "guest", permissions: ["users:write"] });
    const body = { username: "made-by-clerk", email: "m@example.com", password: "correct horse b" };
    const clerk = await withRoles(app, admin.token, "clerk");
    const guest = await withRoles(app, admin.token, "guest");
    expect(claimsOf(clerk.token).subjectType).toBe("UserAccount");
    expect(claimsOf(guest.token).subjectType).toBe("EndUserAccount");
    const refused = await request(app, "POST /api/users", { token: guest.token, body });
    expect(refused.body.type).toBe("UserNotAuthorized");
    expect((await request(app, "POST /api/users", { token: clerk.token, body })).status).toBe(201);

    const change = { title: "Clerk", permissions: ["users:write"], staff: false };
    expect((await send("PUT /api/roles/clerk", change)).body.type).toBe("Conflict");
    expect((await setRoles(app, admin.token, clerk.id, ["user"])).status).toBe(200);
    expect((await send("PUT /api/roles/clerk", change)).status).toBe(200);
  });

  it("must exist to be given to an account", async () => {
    const { id } = await register(app);
    const { status, body } = await setRoles(app, admin.token, id, ["user", "nothing"]);
    expect([status, body.data]).toEqual([
      422,
      [{ field: "roles[1]", type: "roleUnknown", message: "There is no such role." }],
    ]);
  });

  it("cannot be removed while an account has it", async () => {
    await makeRole(app, admin.token, { name: "held", permissions: [] });
    const holder = await withRoles(app, admin.token, "held");
    expect((await send("DELETE /api/roles/held")).body.type).toBe("Conflict");
    await setRoles(app, admin.token, holder.id, ["user"]);
    expect((await send("DELETE /api/roles/held")).status).toBe(204);
  });

  it("expires the access tokens of its accounts within seconds when its permissions change", async () => {
    await makeRole(app, admin.token, { name: "speaker", permissions: ["chat:announce"] });
    const speakers = [
      await withRoles(app, admin.token, "speaker"),
      await withRoles(app, admin.token, "user", "speaker"),
    ];
    const other = await register(app);
    const change = (permissions: string[], title = "Speaker") =>
      send("PUT /api/roles/speaker", { title, permissions, staff: false });

    expect((await change(["chat:announce"], "Another title")).status).toBe(200);
    expect((await change(["posts:moderate"])).status).toBe(200);
    for (const { token, refreshToken } of speakers) {
      await expect.poll(() => faultOf(app, token), { timeout: 10_000 }).toBe("AccessTokenExpired");
      const { body } = await refresh(app, refreshToken);
      const { permissions, generation } = claimsOf(body.access_token);
      // the change of the title alone has expired none
      expect(generation).toBe(2);
      expect(permissions.posts).toContain("moderate");
      expect(permissions.chat ?? []).not.toContain("announce");
      expect(await faultOf(app, body.access_token)).toBeUndefined();
    }
    expect(await faultOf(app, other.token)).toBeUndefined();
  });

  it("expires the access tokens of more accounts than one job takes", async () => {
    await makeRole(app, admin.token, { name: "crowd", permissions: ["posts:write"] });
    const holder = await withRoles(app, admin.token, "crowd");
    const users = app.service("users") as unknown as { db: Kysely<AllTables> };
    // their ids come before the holder's, who is left for the third job
    const crowd = Array.from({ length: 1_000 }, (_, at) => ({
      id: `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`,
      username: `crowd-${at}`,
      email: `crowd-${at}@example.com`,
      password_hash: "",
      roles: ["crowd"],
      subject_type: "EndUserAccount" as const,
    }));
    await users.db.insertInto("accounts").values(crowd).execute();
    const change = { title: "Crowd", permissions: [], staff: false };
    expect((await send("PUT /api/roles/crowd", change)).status).toBe(200);
    await expect
      .poll(() => faultOf(app, holder.token), { timeout: 20_000 })
      .toBe("AccessTokenExpired");
  }, 30_000);

  it("keeps what it grants over an account's new login", async () => {
    await makeRole(app, admin.token, { name: "keeper", permissions: ["posts:moderate"] });
    const { username, password } = await withRoles(app, admin.token, "keeper");
    const again = await login(app, username, password);
    expect(claimsOf(again.token).permissions).toEqual({ posts: ["moderate"] });
  });

  it("is created once by a request that is repeated with the same Idempotency-Key", async () => {
    const body = { name: "once", title: "Once", permissions: [] };
    const repeat = () => send("POST /api/roles", body, { "idempotency-key": "a-key-of-this-test" });
    const [first, second] = [await repeat(), await repeat()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
  });
});
