import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type UsersService from "../../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import {
  administrator,
  login,
  PASSWORD,
  type Person,
  register,
  request,
} from "../../helpers/http.ts";
import { without } from "../../helpers/without.ts";

describe.skipIf(isMissing)("Subject types of accounts", () => {
  let app: App;
  let superuser: Person;

  beforeAll(async () => {
    app = await startApp();
    superuser = await administrator(app);
  });
  afterAll(() => app?.stop());

  const kindOf = async ({ token }: Person) =>
    (await request(app, "GET /api/protected", { token })).body.user.subjectType;
  const setRoles = (by: Person, id: string, roles: string[]) =>
    request(app, `PUT /api/users/${id}/roles`, { token: by.token, body: { roles } });
  const remove = (by: Person, id: string) =>
    request(app, `DELETE /api/users/${id}`, { token: by.token });
  const update = (by: Person, id: string, body: object) =>
    request(app, `PUT /api/users/${id}`, { token: by.token, body });
  const nameOf = async (id: string) =>
    (await request(app, `GET /api/users/${id}`, { token: superuser.token })).body.username;

  /** A new user with these roles, signed in. */
  const withRoles = async (...roles: string[]) => {
    const { id, username } = await register(app);
    await setRoles(superuser, id, roles);
    return login(app, username, PASSWORD);
  };

  it("follow from the roles", async () => {
    const { id, username } = await register(app);
    const kindWith = async (...roles: string[]) => {
      const { body } = await setRoles(superuser, id, roles);
      expect(body.roles).toEqual(roles);
      return kindOf(await login(app, username, PASSWORD));
    };
    expect(await kindWith("user")).toBe("EndUserAccount");
    expect(await kindWith("user", "moderator")).toBe("UserAccount");
    expect(await kindWith("admin")).toBe("UserAccount");
    expect(await kindWith()).toBe("EndUserAccount");
    const [last] = await auditOf(app, { event: "roles.changed", userId: id }, 4);
    expect(last).toMatchObject({ actor: "admin", subjectId: id });
    expect(last.data).toEqual({ before: ["admin"], after: [] });
  });

  it("protect the first administrator, whose account no other administrator can change", async () => {
    const admin = await withRoles("admin");
    for (const refused of [
      await setRoles(admin, superuser.id, ["user"]),
      await update(admin, superuser.id, { username: "mallory" }),
      await update(admin, superuser.id, { password: "an admin's choice" }),
      await remove(admin, superuser.id),
    ]) {
      expect([refused.status, refused.body.type]).toEqual([403, "UserNotAuthorized"]);
    }
    // none of the sessions was ended either
    expect(await kindOf(superuser)).toBe("SuperUserAccount");
    expect(await nameOf(superuser.id)).toBe("admin");

    expect((await setRoles(superuser, superuser.id, ["user", "admin"])).status).toBe(200);
    superuser = await administrator(app);
    expect((await update(superuser, superuser.id, { username: "admin" })).status).toBe(200);
    expect(await kindOf(superuser)).toBe("SuperUserAccount");
    await remove(superuser, admin.id);
  });

  it("keep the last administrator, also if two step down at the same time", async () => {
    for (const { status, body } of [
      await setRoles(superuser, superuser.id, ["user"]),
      await remove(superuser, superuser.id),
    ]) {
      expect([status, body.type]).toEqual([409, "Conflict"]);
      expect(body.message).toMatch(/last administrator/);
    }
    expect(await kindOf(superuser)).toBe("SuperUserAccount");

    const admin = await withRoles("admin");
    const both = await Promise.all([
      setRoles(superuser, superuser.id, ["user"]),
      setRoles(admin, admin.id, ["user"]),
    ]);
    expect(both.map(({ status }) => status)).toEqual(
      both[0].status === 200 ? [200, 409] : [409, 200],
    );
    const { accounts } = app.service("users") as unknown as UsersService;
    await accounts.change(superuser.id, () => ({ roles: ["admin"] }));
    superuser = await administrator(app);
    await remove(superuser, admin.id);
  });

  it("let no user grant a role with permissions that the user lacks, or manage a more powerful user", async () => {
    const moderator = await withRoles("moderator");
    const admin = await withRoles("admin");
    const victim = await register(app);
    for (const route of ["PUT /api/users/:id/roles", "DELETE /api/users/:id"]) {
      const refused = await request(app, route.replace(":id", victim.id), {
        token: moderator.token,
        body: route.endsWith("roles") ? { roles: ["admin"] } : undefined,
      });
      expect(refused.body.data).toMatchObject({ permission: expect.any(String) });
    }
    expect(
      (await update(admin, moderator.id, { username: `${moderator.username}-2` })).status,
    ).toBe(200);
    expect(await nameOf(victim.id)).toBe(victim.username);
    await remove(superuser, admin.id);
  });

  it("are removed with their sessions, or not at all while auth is unavailable", async () => {
    const alice = await register(app);
    const failed = await without(app, "auth", () => remove(superuser, alice.id));
    expect(failed.status).toBe(503);
    expect(await nameOf(alice.id)).toBe(alice.username);
    expect((await remove(superuser, alice.id)).status).toBe(204);
    const { body } = await request(app, "GET /api/users/me", { token: alice.token });
    expect(body.type).toBe("AccessTokenRevoked");
    const [entry] = await auditOf(app, { event: "account.removed", userId: alice.id });
    expect(entry).toMatchObject({ actor: "admin", subject: alice.username });
  });
});
