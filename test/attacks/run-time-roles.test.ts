import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SubjectType } from "../../lib/tokens/subject-type.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, login, type Person, register, request } from "../helpers/http.ts";
import { makeRole, setRoles, withRoles } from "../helpers/roles.ts";
import { watchRuns } from "../helpers/runs.ts";
import { claimsOf, tokenFor } from "../helpers/tokens.ts";

describe.skipIf(isMissing)(
  "The roles made at run time, against users who exceed their rights",
  () => {
    let app: App;
    let admin: Person;
    /** Staff who manage roles, and hold posts:write. */
    let manager: Person;
    /** Staff who grant roles and manage accounts, and hold posts:write. */
    let granter: Person;
    const runs = watchRuns();

    beforeAll(async () => {
      app = await startApp({}, { broker: runs.broker });
      admin = await administrator(app);
      await makeRole(app, admin.token, {
        name: "role-manager",
        permissions: ["users:roles", "posts:write"],
        staff: true,
      });
      await makeRole(app, admin.token, {
        name: "role-granter",
        permissions: ["users:grant", "users:write", "users:impersonate", "posts:write"],
        staff: true,
      });
      manager = await withRoles(app, admin.token, "role-manager");
      granter = await withRoles(app, admin.token, "role-granter");
    });
    afterAll(() => app?.stop());

    const read = async (name: string) =>
      (await request(app, `GET /api/roles/${name}`, { token: admin.token })).body;

    const change = (
      { token }: Pick<Person, "token">,
      name: string,
      permissions: string[],
      more: object = {},
    ) =>
      request(app, `PUT /api/roles/${name}`, {
        token,
        body: { title: name, permissions, staff: false, ...more },
      });

    const remove = ({ token }: Pick<Person, "token">, name: string) =>
      request(app, `DELETE /api/roles/${name}`, { token });

    const lacking = (permission: string) => ({
      type: "UserNotAuthorized",
      code: 403,
      data: { permission },
    });

    let made = 0;
    /** A role of these permissions, which an administrator has created. */
    const roleOf = async (...permissions: string[]) => {
      const name = `role-${(made += 1)}`;
      await makeRole(app, admin.token, { name, permissions });
      return name;
    };

    it("let a manager create, change and remove roles of permissions that the manager holds", async () => {
      await makeRole(app, manager.token, { name: "author", permissions: ["posts:write"] });
      expect((await change(manager, "author", [])).status).toBe(200);
      expect((await change(manager, "author", ["users:roles"])).status).toBe(200);
      expect((await remove(manager, "author")).status).toBe(204);
    });

    it("cannot be created with a permission that the creator lacks", async () => {
      const { body } = await request(app, "POST /api/roles", {
        token: manager.token,
        body: { name: "mighty", title: "Mighty", permissions: ["posts:write", "users:grant"] },
      });
      expect(body).toMatchObject(lacking("users:grant"));
      expect((await read("mighty")).type).toBe("NotFound");
    });

    it("cannot get a permission that the manager lacks", async () => {
      const name = await roleOf("posts:write");
      const { body } = await change(manager, name, ["posts:write", "posts:moderate"]);
      expect(body).toMatchObject(lacking("posts:moderate"));
      expect(await read(name)).toMatchObject({ version: 1, permissions: ["posts:write"] });
    });

    it("cannot be changed or removed by a manager who lacks one of its permissions", async () => {
      const name = await roleOf("posts:write", "posts:moderate");
      expect((await change(manager, name, ["posts:write"])).body).toMatchObject(
        lacking("posts:moderate"),
      );
      expect((await remove(manager, name)).body).toMatchObject(lacking("posts:moderate"));
      expect(await read(name)).toMatchObject({ version: 1 });
    });

    it("cannot be changed by a manager who may not manage an account that has it", async () => {
      const name = await roleOf("posts:write");
      const moderator = await withRoles(app, admin.token, name, "moderator");
      const refused = await change(manager, name, []);
      expect(refused.body.type).toBe("UserNotAuthorized");
      expect(await read(name)).toMatchObject({ version: 1, permissions: ["posts:write"] });
      await setRoles(app, admin.token, moderator.id, [name]);
      expect((await change(manager, name, [])).status).toBe(200);
    });

    it("of the first administrator can be changed only by that administrator", async () => {
      const name = await roleOf("posts:write");
      expect((await setRoles(app, admin.token, admin.id, ["admin", name])).status).toBe(200);
      const deputy = await withRoles(app, (admin = await administrator(app)).token, "admin");
      expect((await change(deputy, name, [])).body.type).toBe("UserNotAuthorized");
      expect(await read(name)).toMatchObject({ version: 1 });
      expect((await change(admin, name, [])).status).toBe(200);
      // the access token of the session has expired with the change
      await expect
        .poll(async () => (await read(name)).type, { timeout: 10_000 })
        .toBe("AccessTokenExpired");
      admin = await administrator(app);
    });

    it("cannot be taken or given with a permission that the granter lacks", async () => {
      const name = await roleOf("posts:write", "users:roles");
      const { id } = await register(app);
      for (const target of [granter.id, id]) {
        const { body } = await setRoles(app, granter.token, target, [name]);
        expect(body).toMatchObject(lacking("users:roles"));
      }
      const { body } = await request(app, `GET /api/users/${id}`, { token: admin.token });
      expect(body.roles).toEqual(["user"]);
      const harmless = await roleOf("posts:write");
      expect((await setRoles(app, granter.token, id, [harmless])).body).toMatchObject(
        // the account had chat:write by its role
        lacking("chat:write"),
      );
    });

    it("count when staff change, remove or impersonate an account that has one", async () => {
      const name = await roleOf("users:roles");
      const holder = await withRoles(app, admin.token, name);
      const { token } = granter;
      for (const [route, body] of [
        [`PUT /api/users/${holder.id}`, { password: "the password of the granter" }],
        [`PUT /api/users/${holder.id}/roles`, { roles: [] }],
        [`DELETE /api/users/${holder.id}`, undefined],
        [`DELETE /api/users/${holder.id}/second-factor`, undefined],
      ] as const)
        expect((await request(app, route, { token, body })).body).toMatchObject(
          lacking("users:roles"),
        );
      const impersonation = await request(app, "POST /api/auth/impersonate", {
        token,
        body: { userId: holder.id },
      });
      expect(impersonation.body.type).toBe("UserNotAuthorized");
      expect((await login(app, holder.username, holder.password)).id).toBe(holder.id);
    });

    it("count as they are when the change is written, not as they were when the request arrived", async () => {
      const name = await roleOf();
      const holder = await withRoles(app, admin.token, name);
      const requests = await Promise.all([
        change(admin, name, ["users:roles"]),
        request(app, `PUT /api/users/${holder.id}`, {
          token: granter.token,
          body: { password: "the password of the granter" },
        }),
      ]);
      expect(requests[0].status).toBe(200);
      // either the password was set before the account got the permission, or it is refused
      expect([200, 403]).toContain(requests[1].status);
      const again = await request(app, `PUT /api/users/${holder.id}`, {
        token: granter.token,
        body: { password: "another password of it" },
      });
      expect(again.body).toMatchObject(lacking("users:roles"));
    });

    const ROUTES = [
      ["users.permissions", "GET /api/permissions", undefined],
      ["users.roles", "GET /api/roles", undefined],
      ["users.role", "GET /api/roles/user", undefined],
      ["users.createRole", "POST /api/roles", { name: "mine", title: "Mine", permissions: [] }],
      [
        "users.changeRole",
        "PUT /api/roles/role-manager",
        { title: "Mine", permissions: [], staff: false },
      ],
      ["users.removeRole", "DELETE /api/roles/role-manager", undefined],
    ] as const;

    /** Expects that each of these routes refuses the token before its handler. */
    const expectNoRun = async (
      token: string,
      routes: readonly (typeof ROUTES)[number][] = ROUTES,
    ) => {
      for (const [action, route, body] of routes) {
        const before = runs.of(action);
        const response = await request(app, route, { token, body });
        expect([route, response.status, response.body.type]).toEqual([
          route,
          403,
          "UserNotAuthorized",
        ]);
        expect(runs.of(action)).toBe(before);
      }
    };

    const everything = { users: ["roles", "grant", "read", "write"], posts: ["write"] };

    it.each<SubjectType>([
      "ServiceAccount",
      "ManagedServiceAccount",
      "ImpersonatedUserAccount",
      "EndUserAccount",
      "EndUserApplication",
    ])("are closed to a %s with every permission", async (subjectType) => {
      await expectNoRun(tokenFor(app, { permissions: everything, subjectType }));
    });

    it("are closed to a real service account and a real impersonation", async () => {
      const { body: robot } = await request(app, "POST /api/auth/service-accounts", {
        token: admin.token,
        body: { name: "a robot", permissions: ["users:roles", "users:grant"] },
      });
      const { client_id, client_secret } = robot;
      const { body } = await request(app, "POST /api/auth/token", {
        body: { grant_type: "client_credentials", client_id, client_secret },
      });
      await expectNoRun(body.access_token);
      const impersonation = await request(app, "POST /api/auth/impersonate", {
        token: admin.token,
        body: { userId: manager.id },
      });
      expect(claimsOf(impersonation.body.access_token).permissions.users).toContain("roles");
      await expectNoRun(impersonation.body.access_token);
    });

    it("are closed to staff without the permission, and readable with either of two", async () => {
      const staff = tokenFor(app, { permissions: { users: ["read"] }, subjectType: "UserAccount" });
      await expectNoRun(staff);
      const { body, headers } = await request(app, "GET /api/roles", { token: staff });
      expect(body.data).toEqual({ permissions: ["users:roles", "users:grant"] });
      expect(headers.get("www-authenticate")).toBe('Bearer error="insufficient_scope"');
      for (const token of [manager.token, granter.token])
        expect((await request(app, "GET /api/roles", { token })).status).toBe(200);
      await expectNoRun(granter.token, ROUTES.slice(3));
    });

    it("are closed to requests without a token, and to other services", async () => {
      for (const [action, route, body] of ROUTES) {
        const before = runs.of(action);
        expect((await request(app, route, { body })).body.type).toBe("AccessTokenRequired");
        await expect(
          callFrom(app, "posts", action, body ?? {}, { token: admin.token }),
        ).rejects.toMatchObject({ type: "ServiceNotAuthorized" });
        expect(runs.of(action)).toBe(before);
      }
    });

    it("do not let other services expire the tokens of users", async () => {
      const before = runs.of("auth.renewSessions");
      await expect(
        callFrom(app, "posts", "auth.renewSessions", { userIds: [admin.id] }),
      ).rejects.toMatchObject({ type: "ServiceNotAuthorized" });
      expect(runs.of("auth.renewSessions")).toBe(before);
    });

    it("leave no account with a role that is removed at the same time", async () => {
      for (let round = 0; round < 8; round += 1) {
        const name = await roleOf("posts:write");
        const { id } = await register(app);
        const [granted, removed] = await Promise.all([
          setRoles(app, admin.token, id, [name]),
          remove(admin, name),
        ]);
        const { roles } = (await request(app, `GET /api/users/${id}`, { token: admin.token })).body;
        const outcome = [granted.status, removed.status, roles[0]];
        expect([
          [200, 409, name],
          [422, 204, "user"],
        ]).toContainEqual(outcome);
      }
    });

    it("grant nothing once they do not exist, also if an account still names one", async () => {
      const name = await roleOf("posts:moderate");
      const holder = await withRoles(app, admin.token, name);
      const users = app.service("users") as unknown as { db: any };
      // as a backup of one table that was restored would do
      await users.db.deleteFrom("roles").where("name", "=", name).execute();
      const again = await login(app, holder.username, holder.password);
      expect(claimsOf(again.token).permissions).toEqual({});
    });

    it("cannot be named by the mapping of a trusted issuer", async () => {
      await expect(
        startApp({
          TRUSTED_ISSUERS: JSON.stringify([
            {
              issuer: "https://id.example.com/",
              audience: "citadel",
              roles: { chiefs: ["role-manager"] },
            },
          ]),
        }),
      ).rejects.toThrow(/role-manager/);
    });
  },
);
