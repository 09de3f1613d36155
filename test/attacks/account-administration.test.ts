import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { ACCESS_TOKEN_TYPE } from "../../lib/tokens/access-token.ts";
import { signJwt } from "../../lib/tokens/jwt.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { removeExpiredAccounts } from "../../services/users/accounts/account-removal.ts";
import {
  accountOf,
  canLogin,
  emailOf,
  NEW_PASSWORD,
  registerVerified,
  usersOf,
} from "../helpers/accounts.ts";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { stolenKey } from "../helpers/attacker.ts";
import { auditOf } from "../helpers/audit.ts";
import { administrator, login, PASSWORD, type Person, register, request } from "../helpers/http.ts";
import { claimsOf, faultOf } from "../helpers/tokens.ts";

describe.skipIf(isMissing)("the users service, against accounts that exceed their rights,", () => {
  let app: App;
  let admin: Person;

  beforeAll(async () => {
    app = await sharedApp();
    admin = await administrator(app);
  });

  const FIELDS = {
    roles: ["admin"],
    subjectType: "SuperUserAccount",
    subject_type: "SuperUserAccount",
    emailVerified: true,
    emailVerifiedAt: "2026-01-01T00:00:00Z",
    passwordHash: "x",
    id: "119bb83a-0000-4000-8000-000000000000",
  };

  it.each(Object.entries(FIELDS))(
    "refuses the field %s in a registration and in a change",
    async (field, value) => {
      const username = `mallory-${randomBytes(4).toString("hex")}`;
      const registered = await request(app, "POST /api/auth/register", {
        body: { username, email: `${username}@example.com`, password: PASSWORD, [field]: value },
      });
      expect(registered.status).toBe(422);
      expect(await canLogin(app, username, PASSWORD)).toBe(false);
      const mallory = await register(app);
      const before = await accountOf(app, mallory);
      const routes = [["PATCH /api/users/me", mallory.token]];
      if (field !== "id") routes.push([`PUT /api/users/${mallory.id}`, admin.token]);
      for (const [route, token] of routes) {
        const body = { username: "changed", [field]: value };
        expect((await request(app, route!, { token, body })).status).toBe(422);
      }
      expect(await accountOf(app, mallory)).toEqual(before);
    },
  );

  it.each(["administrator", "Admin1strator", "r00t", "s.u-p_p.o.r.t", "SYSTEM", "rnoderator"])(
    "refuses the username %s, which looks like the operator's, except from an administrator",
    async (username) => {
      const mallory = await register(app);
      const reserved = [{ field: "username", type: "reserved" }];
      const responses = [
        await request(app, "POST /api/auth/register", {
          body: { username, email: `x-${emailOf(mallory)}`, password: PASSWORD },
        }),
        await request(app, "PATCH /api/users/me", { token: mallory.token, body: { username } }),
      ];
      for (const { status, body } of responses)
        expect([status, body.type, body.data]).toEqual([409, "Conflict", reserved]);
      expect(await usersOf(app).accounts.findByLogin(username)).toBeUndefined();
      const route = `PUT /api/users/${mallory.id}`;
      const given = await request(app, route, { token: admin.token, body: { username } });
      expect(given.body.username).toBe(username);
    },
  );

  it("removes registered accounts that have expired unverified, and no others", async () => {
    const [unverified, verified] = [await register(app), await registerVerified(app)];
    const created = await request(app, "POST /api/users", {
      token: admin.token,
      body: {
        username: `created-${unverified.username}`,
        email: "created@example.com",
        password: PASSWORD,
      },
    });
    const users = usersOf(app);
    const expireAt = (at: Date) =>
      users.db
        .updateTable("accounts")
        .set({ expires_at: at })
        .where("id", "=", unverified.id)
        .execute();
    await expireAt(new Date(Date.now() + 60_000));
    const removeExpired = () =>
      removeExpiredAccounts(ownContext(users), users.accounts, new AbortController().signal);
    await removeExpired();
    expect(await accountOf(app, unverified)).toBeDefined();
    for (const { id } of [verified, created.body, admin])
      expect((await accountOf(app, { id })).expires_at).toBeNull();
    const removed = vi.spyOn(users.accounts, "remove");
    await expireAt(new Date(Date.now() - 1));
    // concurrently, as on two nodes
    await Promise.all([removeExpired(), removeExpired()]);
    expect(removed.mock.calls.map(([id]) => id)).not.toContain(verified.id);
    removed.mockRestore();
    expect(await accountOf(app, unverified)).toBeUndefined();
    await expect.poll(() => faultOf(app, unverified.token)).toBe("AccessTokenRevoked");
    const [entry] = await auditOf(app, { event: "account.removed", userId: unverified.id });
    expect(entry).toMatchObject({ subject: unverified.username });
  });

  /** A token that `auth` would not sign, made with its stolen key. */
  const forge = (person: Person, changes: object) =>
    signJwt(
      { ...claimsOf(person.token), ...changes },
      { ...stolenKey(app, "auth"), typ: ACCESS_TOKEN_TYPE },
    );

  const ADMINISTRATION = [
    ["POST /api/users", { username: "forged", email: "forged@example.com", password: PASSWORD }],
    ["PUT /api/users/:id", { username: "forged" }],
    ["PUT /api/users/:id", { password: NEW_PASSWORD }],
    ["PUT /api/users/:id/roles", { roles: ["user"] }],
    ["DELETE /api/users/:id", undefined],
  ] as const;

  it.each(ADMINISTRATION)(
    "refuses %s %j to a subject with every permission that is not staff",
    async (route, body) => {
      const [mallory, victim] = [await register(app), await register(app)];
      const before = await accountOf(app, victim);
      const { permissions } = claimsOf(admin.token);
      for (const subjectType of [
        "EndUserAccount",
        "ServiceAccount",
        "ImpersonatedUserAccount",
        "EndUserApplication",
      ]) {
        const token = forge(mallory, { subjectType, permissions });
        const response = await request(app, route.replace(":id", victim.id), { token, body });
        expect([response.status, response.body.data]).toEqual([403, { subjectType }]);
      }
      expect(await accountOf(app, victim)).toEqual(before);
      expect(await canLogin(app, "forged", PASSWORD)).toBe(false);
    },
  );

  it.each([
    ["PATCH /api/users/me", { username: "forged" }],
    ["POST /api/auth/password", { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }],
    ["POST /api/auth/verify-email/resend", {}],
  ])("refuses %s to an impersonator and to a service account", async (route, body) => {
    const alice = await register(app);
    const before = await accountOf(app, alice);
    for (const subjectType of ["ImpersonatedUserAccount", "ServiceAccount"]) {
      const token = forge(alice, { subjectType });
      const response = await request(app, route, { token, body });
      expect([response.status, response.body.type]).toEqual([403, "UserNotAuthorized"]);
    }
    expect(await accountOf(app, alice)).toEqual(before);
  });

  it.each(ADMINISTRATION.slice(1))(
    "refuses %s %j to staff for an account that has more permissions",
    async (route, body) => {
      // not users:read, which moderators hold
      const permissions = {
        users: ["write", "grant"],
        posts: ["write"],
        chat: ["write", "moderate"],
      };
      const helper = await register(app);
      const token = forge(helper, { subjectType: "UserAccount", permissions });
      const target = await register(app);
      const put = `PUT /api/users/${target.id}/roles`;
      await request(app, put, { token: admin.token, body: { roles: ["moderator"] } });
      const before = await accountOf(app, target);
      const response = await request(app, route.replace(":id", target.id), { token, body });
      expect([response.status, response.body.type]).toEqual([403, "UserNotAuthorized"]);
      expect(await accountOf(app, target)).toEqual(before);
      // staff may manage other accounts, but not grant permissions that they lack
      const equal = await register(app);
      const grant = await request(app, `PUT /api/users/${equal.id}/roles`, {
        token,
        body: { roles: ["moderator"] },
      });
      expect([grant.status, grant.body.data]).toEqual([403, { permission: "posts:moderate" }]);
      expect((await accountOf(app, equal)).roles).toEqual(["user"]);
      expect(
        (await request(app, route.replace(":id", equal.id), { token, body })).status,
      ).toBeLessThan(300);
    },
  );

  it("refuses staff to set their own password or address with the token alone", async () => {
    const before = await accountOf(app, admin);
    for (const body of [{ password: NEW_PASSWORD }, { email: "mallory@example.com" }]) {
      const response = await request(app, `PUT /api/users/${admin.id}`, {
        token: admin.token,
        body,
      });
      expect([response.status, response.body.type]).toEqual([403, "UserNotAuthorized"]);
      expect(response.body.message).toMatch(/PATCH \/api\/users\/me.*POST \/api\/auth\/password/);
    }
    expect(await accountOf(app, admin)).toEqual(before);
    expect((await request(app, "GET /api/users/me", { token: admin.token })).status).toBe(200);
  });

  it.each([
    ["removed", "PUT /api/users/:id", { password: NEW_PASSWORD }],
    ["demoted", "PUT /api/users/:id", { password: NEW_PASSWORD }],
    ["removed", "POST /api/users", undefined],
  ])(
    "refuses staff that are %s while a password waits to be hashed: %s",
    async (how, route, given) => {
      const [helper, victim] = [await register(app), await register(app)];
      const roles = (names: string[]) =>
        request(app, `PUT /api/users/${helper.id}/roles`, {
          token: admin.token,
          body: { roles: names },
        });
      expect((await roles(["admin"])).status).toBe(200);
      const { token } = await login(app, helper.username, PASSWORD);
      const type = how === "removed" ? "AccessTokenRevoked" : "AccessTokenExpired";
      const before = await accountOf(app, victim);
      const { passwords, broker, accounts } = usersOf(app);
      const hash = passwords.hash.bind(passwords);
      const spy = vi.spyOn(passwords, "hash").mockImplementationOnce(async (...args) => {
        const { status } =
          how === "removed"
            ? await request(app, `DELETE /api/users/${helper.id}`, { token: admin.token })
            : await roles(["user"]);
        expect(status).toBeLessThan(300);
        // every node is notified separately
        const recall = async () => accessTokenVerifierOf(broker).verify(token);
        await vi.waitFor(() => expect(recall()).rejects.toMatchObject({ type }), 10_000);
        return hash(...args);
      });
      const username = `by-${helper.username}`;
      const body = given ?? { username, email: `${username}@example.com`, password: PASSWORD };
      const response = await request(app, route.replace(":id", victim.id), { token, body });
      spy.mockRestore();
      expect([response.status, response.body.type]).toEqual([401, type]);
      expect(await accountOf(app, victim)).toEqual(before);
      expect(await accounts.findByLogin(username)).toBeUndefined();
      // and no session was ended
      expect((await request(app, "GET /api/users/me", { token: victim.token })).status).toBe(200);
    },
  );
});
