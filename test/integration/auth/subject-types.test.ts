import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SubjectType } from "../../../lib/tokens/subject-type.ts";
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
import { faultOf, refresh } from "../../helpers/tokens.ts";

describe.skipIf(isMissing)("Subject types", () => {
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

  const claims = async ({ token }: Pick<Person, "token">) =>
    (await request(app, "GET /api/protected", { token })).body.user;
  const statusOf = async (token: string, route: string, body?: object) =>
    (await request(app, route, { token, body })).status;
  const setSubjectType = (by: Person, id: string, subjectType: string) =>
    request(app, `PUT /api/users/${id}/subject-type`, { token: by.token, body: { subjectType } });
  const again = ({ username }: Person) => login(app, username, PASSWORD);

  /** A new program of this kind, and its access token. */
  const program = async (subjectType: string | undefined, permissions: string[]) => {
    const name = `robot ${randomUUID()}`;
    const body = { name, permissions, subjectType };
    const token = superuser.token;
    const created = await request(app, "POST /api/auth/service-accounts", { token, body });
    expect(created.status).toBe(201);
    const { client_id, client_secret } = created.body;
    const issued = await request(app, "POST /api/auth/token", {
      body: { grant_type: "client_credentials", client_id, client_secret },
    });
    const list = await request(app, "GET /api/auth/service-accounts", { token });
    return { name, id: client_id, token: issued.body.access_token, listed: list.body.items[0] };
  };

  const POST = { title: "By", body: "a subject" };

  it("EndUserAccount is that of a person who registers, and who may write posts and not manage users", async () => {
    const alice = await register(app);
    expect(await claims(alice)).toMatchObject({
      sub: alice.id,
      roles: ["user"],
      subjectType: SubjectType.EndUserAccount,
    });
    expect(await statusOf(alice.token, "POST /api/posts", POST)).toBe(201);
    expect(await statusOf(alice.token, `DELETE /api/users/${superuser.id}`)).toBe(403);
  });

  it("UserAccount is that of staff, whose role lets them manage users and not the environment's administrators", async () => {
    const staff = await withRoles("admin");
    expect(await claims(staff)).toMatchObject({
      roles: ["admin"],
      subjectType: SubjectType.UserAccount,
    });
    const { id } = await register(app);
    expect((await update(staff, id, { username: `by-${staff.username}` })).status).toBe(200);
    const refused = await setSubjectType(staff, staff.id, SubjectType.EnvironmentAdminAccount);
    expect(refused.body).toMatchObject({
      type: "UserNotAuthorized",
      data: { subjectType: SubjectType.UserAccount },
    });
    expect(await kindOf(await again(staff))).toBe(SubjectType.UserAccount);
    await remove(superuser, staff.id);
  });

  it("SuperUserAccount is that of the first administrator, who may grant subject types and not change their own", async () => {
    expect(await claims(superuser)).toMatchObject({
      username: "admin",
      subjectType: SubjectType.SuperUserAccount,
    });
    const admin = await withRoles("admin");
    const granted = await setSubjectType(superuser, admin.id, SubjectType.EnvironmentAdminAccount);
    expect(granted.status).toBe(200);
    const own = await setSubjectType(superuser, superuser.id, SubjectType.UserAccount);
    expect([own.status, own.body.type]).toEqual([409, "Conflict"]);
    expect(await kindOf(superuser)).toBe(SubjectType.SuperUserAccount);
    await remove(superuser, admin.id);
  });

  it("EnvironmentAdminAccount is granted to an account with the role admin, and may grant it, but not to others", async () => {
    const admin = await withRoles("admin");
    const granted = await setSubjectType(superuser, admin.id, SubjectType.EnvironmentAdminAccount);
    expect(granted.body).toMatchObject({
      roles: ["admin"],
      subjectType: SubjectType.EnvironmentAdminAccount,
    });
    expect(await faultOf(app, admin.token)).toBe("AccessTokenExpired");
    const tokens = await refresh(app, admin.refreshToken);
    const environment = { ...admin, token: tokens.body.access_token };
    expect(await claims(environment)).toMatchObject({
      roles: ["admin"],
      subjectType: SubjectType.EnvironmentAdminAccount,
    });

    const other = await withRoles("admin");
    const regranted = await setSubjectType(
      environment,
      other.id,
      SubjectType.EnvironmentAdminAccount,
    );
    expect(regranted.body.subjectType).toBe(SubjectType.EnvironmentAdminAccount);
    for (const roles of [["moderator"], ["user"]]) {
      const { id } = await withRoles(...roles);
      for (const subjectType of [SubjectType.EnvironmentAdminAccount, SubjectType.UserAccount]) {
        const refused = await setSubjectType(environment, id, subjectType);
        expect([refused.status, refused.body.message]).toEqual([
          409,
          "Give the account the role admin first.",
        ]);
      }
    }
    const [entry] = await auditOf(app, { event: "subject-type.changed", userId: other.id });
    expect(entry).toMatchObject({ actor: admin.username, subjectId: other.id });
    expect(entry.data).toEqual({
      before: SubjectType.UserAccount,
      after: SubjectType.EnvironmentAdminAccount,
    });
    for (const { id } of [other, admin]) await remove(superuser, id);
  });

  it("EnvironmentAdminAccount ends with PUT /api/users/:id/subject-type or with the role admin", async () => {
    const admin = await withRoles("admin");
    const grant = () => setSubjectType(superuser, admin.id, SubjectType.EnvironmentAdminAccount);
    expect((await grant()).status).toBe(200);
    const version = (await grant()).body.version;
    const revoked = await setSubjectType(superuser, admin.id, SubjectType.UserAccount);
    expect(revoked.body).toMatchObject({
      subjectType: SubjectType.UserAccount,
      version: version + 1,
    });
    // a repeated grant changed nothing, and is not in the audit trail
    const entries = await auditOf(app, { event: "subject-type.changed", userId: admin.id }, 2);
    expect(entries).toHaveLength(2);
    await grant();
    expect((await setRoles(superuser, admin.id, ["moderator"])).body.subjectType).toBe(
      SubjectType.UserAccount,
    );
    await setRoles(superuser, admin.id, ["admin"]);
    expect(await kindOf(await again(admin))).toBe(SubjectType.UserAccount);
    await remove(superuser, admin.id);
  });

  it("ImpersonatedUserAccount is a user's on whose behalf staff act, who may write posts and not change the account", async () => {
    const alice = await register(app);
    const { body } = await request(app, "POST /api/auth/impersonate", {
      token: superuser.token,
      body: { userId: alice.id },
    });
    expect(await claims({ token: body.access_token })).toMatchObject({
      sub: alice.id,
      subjectType: SubjectType.ImpersonatedUserAccount,
      act: { sub: superuser.id, username: "admin" },
    });
    expect(await statusOf(body.access_token, "POST /api/posts", POST)).toBe(201);
    expect(await statusOf(body.access_token, "PATCH /api/users/me", { username: "taken" })).toBe(
      403,
    );
    expect(await nameOf(alice.id)).toBe(alice.username);
  });

  it.each([
    [undefined, SubjectType.ServiceAccount],
    [SubjectType.ServiceAccount, SubjectType.ServiceAccount],
    [SubjectType.ManagedServiceAccount, SubjectType.ManagedServiceAccount],
    [SubjectType.EndUserApplication, SubjectType.EndUserApplication],
  ])(
    "a program that is created as %s is a %s, which may write posts and not manage others",
    async (given, subjectType) => {
      const { name, id, token, listed } = await program(given, ["posts:write", "auth:manage"]);
      expect(listed).toMatchObject({ id, subjectType });
      const own = await claims({ token });
      expect(own).toMatchObject({ sub: id, client_id: id, username: name, roles: [], subjectType });
      expect(await statusOf(token, "POST /api/posts", POST)).toBe(201);
      expect(await statusOf(token, `DELETE /api/auth/service-accounts/${id}`)).toBe(403);
      expect(await claims({ token })).toEqual(own);
    },
  );
});
