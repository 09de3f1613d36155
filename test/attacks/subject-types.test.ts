import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadContracts, permissionsOf } from "../../lib/contract/load.ts";
import { groupPermissions } from "../../lib/tokens/access-token.ts";
import { SubjectType } from "../../lib/tokens/subject-type.ts";
import type AuthService from "../../services/auth/auth.service.ts";
import { accountOf, NEW_PASSWORD } from "../helpers/accounts.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { startAttacker } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, login, type Person, register, request } from "../helpers/http.ts";
import { watchRuns } from "../helpers/runs.ts";
import { connect } from "../helpers/socket.ts";
import { tokenFor } from "../helpers/tokens.ts";

const SET = "users.setSubjectType";
const CREATE = "auth.createServiceAccount";
const ROTATE = "auth.changeSecret";

const { EnvironmentAdminAccount, ManagedServiceAccount, SuperUserAccount, UserAccount } =
  SubjectType;
const everything = groupPermissions(permissionsOf(loadContracts()));

interface Attack {
  action: string;
  route: string;
  params: Record<string, unknown>;
}

describe.skipIf(isMissing)("subject types, against users who would like another one,", () => {
  let app: App;
  let superuser: Person;
  /** An administrator with every permission, of the type UserAccount. */
  let admin: Person;
  let environmentAdmin: Person;
  /** The id of a ManagedServiceAccount. */
  let managed: string;
  const runs = watchRuns();

  beforeAll(async () => {
    app = await startApp({}, { broker: runs.broker });
    superuser = await administrator(app);
    admin = await withRole("admin");
    environmentAdmin = await withRole("admin");
    await setSubjectType(superuser.token, environmentAdmin.id, EnvironmentAdminAccount);
    environmentAdmin = await login(app, environmentAdmin.username, environmentAdmin.password);
    managed = (await create(environmentAdmin.token, ManagedServiceAccount)).body.id;
    expect(managed).toBeTypeOf("string");
  });
  afterAll(() => app?.stop());

  const withRole = async (role: string) => {
    const { id, username, password } = await register(app);
    const body = { roles: [role] };
    await request(app, `PUT /api/users/${id}/roles`, { token: superuser.token, body });
    return login(app, username, password);
  };
  const setSubjectType = (token: string, id: string, subjectType: string) =>
    request(app, `PUT /api/users/${id}/subject-type`, { token, body: { subjectType } });
  const create = (token: string, subjectType: string) => {
    const body = { name: `robot ${randomUUID()}`, permissions: [], subjectType };
    return request(app, "POST /api/auth/service-accounts", { token, body });
  };

  const attacks = (): Attack[] => [
    {
      action: SET,
      route: `PUT /api/users/${admin.id}/subject-type`,
      params: { id: admin.id, subjectType: EnvironmentAdminAccount },
    },
    {
      action: CREATE,
      route: "POST /api/auth/service-accounts",
      params: {
        name: `robot ${randomUUID()}`,
        permissions: [],
        subjectType: ManagedServiceAccount,
      },
    },
    {
      action: ROTATE,
      route: `POST /api/auth/service-accounts/${managed}/secret`,
      params: { id: managed },
    },
  ];

  /** All that the attacks could change. */
  const state = async () => ({
    admin: await accountOf(app, admin),
    superuser: await accountOf(app, superuser),
    environmentAdmin: await accountOf(app, environmentAdmin),
    programs: await (app.service("auth") as unknown as AuthService).db
      .selectFrom("service_accounts")
      .selectAll()
      .orderBy("id")
      .execute(),
  });

  /** Calls over HTTP and over a socket's `call`. @returns the error types, of HTTP first */
  const both = async (token: string, { action, route, params }: Attack) => {
    const { id: _inPath, ...body } = params;
    const response = await request(app, route, { token, body });
    const socket = await connect(app, token);
    const [error] = await new Promise<any[]>((resolve) => {
      socket.emit("call", action, params, (...ack: any[]) => resolve(ack));
    });
    socket.close();
    return [response.body.type, error?.type];
  };

  it("refuses a UserAccount with every permission, over HTTP and sockets", async () => {
    const before = await state();
    const ran = runs.of(SET);
    for (const attack of attacks())
      expect(await both(admin.token, attack)).toEqual(["UserNotAuthorized", "UserNotAuthorized"]);
    expect(runs.of(SET)).toBe(ran);
    expect(await state()).toEqual(before);
  });

  it.each([
    SubjectType.EndUserAccount,
    SubjectType.ServiceAccount,
    SubjectType.ManagedServiceAccount,
    SubjectType.EndUserApplication,
    SubjectType.ImpersonatedUserAccount,
  ])("runs no handler for a %s with every permission", async (subjectType) => {
    const token = tokenFor(app, { sub: admin.id, permissions: everything, subjectType });
    const before = await state();
    const ran = [SET, CREATE, ROTATE].map(runs.of);
    for (const attack of attacks())
      expect(await both(token, attack)).toEqual(["UserNotAuthorized", "UserNotAuthorized"]);
    expect([SET, CREATE, ROTATE].map(runs.of)).toEqual(ran);
    expect(await state()).toEqual(before);
  });

  it("runs no handler for an administrator of the environment without users:grant", async () => {
    const permissions = { users: ["read", "write"], auth: ["manage"] };
    const token = tokenFor(app, { permissions, subjectType: EnvironmentAdminAccount });
    const before = await state();
    const ran = runs.of(SET);
    const attack = attacks()[0]!;
    expect(await both(token, attack)).toEqual(["UserNotAuthorized", "UserNotAuthorized"]);
    expect(runs.of(SET)).toBe(ran);
    expect(await state()).toEqual(before);
  });

  it("runs no handler for a service with a user's token or without one, and for no service", async () => {
    const attacker = await startAttacker(app);
    const before = await state();
    const ran = [SET, CREATE, ROTATE].map(runs.of);
    const { token } = superuser;
    for (const { action, params } of attacks()) {
      for (const options of [{}, { token }, { headers: { authToken: "forged" }, token }])
        await expect(callFrom(app, "posts", action, params, options)).rejects.toMatchObject({
          type: "ServiceNotAuthorized",
        });
      const meta = {
        user: { subjectType: SuperUserAccount, permissions: everything },
        caller: "api",
      };
      await expect(attacker.call(action, params, { meta })).rejects.toMatchObject({
        type: "ServiceTokenRequired",
      });
      // the gateway itself, without a user's token
      await expect(callFrom(app, "api", action, params, { meta })).rejects.toMatchObject({
        type: "AccessTokenRequired",
      });
    }
    await attacker.stop();
    expect([SET, CREATE, ROTATE].map(runs.of)).toEqual(ran);
    expect(await state()).toEqual(before);
  });

  it.each([
    SuperUserAccount,
    SubjectType.EndUserAccount,
    SubjectType.ServiceAccount,
    "__proto__",
    [EnvironmentAdminAccount],
    null,
  ])("gives nobody the subject type %j", async (subjectType) => {
    const before = await state();
    const ran = runs.of(SET);
    for (const { token } of [superuser, environmentAdmin]) {
      const params = { id: admin.id, subjectType };
      const route = `PUT /api/users/${admin.id}/subject-type`;
      expect(await both(token, { action: SET, route, params })).toEqual([
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
      ]);
    }
    expect(runs.of(SET)).toBe(ran);
    expect(await state()).toEqual(before);
  });

  it.each([SuperUserAccount, UserAccount, SubjectType.ImpersonatedUserAccount])(
    "gives no program the subject type %j",
    async (subjectType) => {
      const before = await state();
      const body = { name: `robot ${randomUUID()}`, permissions: [], subjectType };
      const route = "POST /api/auth/service-accounts";
      expect((await request(app, route, { token: superuser.token, body })).status).toBe(422);
      expect(await state()).toEqual(before);
    },
  );

  it("does not let an administrator of the environment change the first administrator", async () => {
    const before = await state();
    const { token } = environmentAdmin;
    const refused = await setSubjectType(token, superuser.id, UserAccount);
    expect([refused.status, refused.body.type]).toEqual([403, "UserNotAuthorized"]);
    for (const body of [{ username: "taken" }, { password: NEW_PASSWORD }])
      expect((await request(app, `PUT /api/users/${superuser.id}`, { token, body })).status).toBe(
        403,
      );
    expect(await state()).toEqual(before);
  });

  it("does not let a UserAccount change, demote, remove or impersonate an administrator of the environment", async () => {
    const { id, token: victimToken } = environmentAdmin;
    const before = await state();
    for (const [route, body] of [
      [`PUT /api/users/${id}`, { password: NEW_PASSWORD }],
      [`PUT /api/users/${id}`, { email: "mallory@example.com" }],
      [`PUT /api/users/${id}/roles`, { roles: ["user"] }],
      [`DELETE /api/users/${id}`, undefined],
      [`DELETE /api/users/${id}/second-factor`, undefined],
      ["POST /api/auth/impersonate", { userId: id }],
    ] as const) {
      const { status, body: error } = await request(app, route, { token: admin.token, body });
      expect([route, status, error.type]).toEqual([route, 403, "UserNotAuthorized"]);
    }
    expect(await state()).toEqual(before);
    // and no session was ended
    expect((await request(app, "GET /api/users/me", { token: victimToken })).status).toBe(200);
    const allowed = await request(app, "POST /api/auth/impersonate", {
      token: superuser.token,
      body: { userId: id },
    });
    expect(allowed.status).toBe(200);
    // the impersonation is no administrator of the environment
    expect(
      (await setSubjectType(allowed.body.access_token, admin.id, EnvironmentAdminAccount)).body,
    ).toMatchObject({ type: "UserNotAuthorized" });
  });
});
