import { Piscina } from "piscina";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Passwords } from "../../../services/users/passwords/passwords.ts";
import { ensureAdministrator } from "../../../services/users/administration/first-administrator.ts";
import { configOf } from "../../../lib/context/attachment.ts";
import type UsersService from "../../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { administrator, login, PASSWORD, register, request } from "../../helpers/http.ts";

describe.skipIf(isMissing)("password hashing", () => {
  let app: App;
  let users: UsersService;

  beforeAll(async () => {
    app = await startApp({ BCRYPT_COST: "9" });
    users = app.service("users") as unknown as UsersService;
  });
  afterAll(() => app?.stop());
  afterEach(() => vi.restoreAllMocks());

  const hashOf = async (id: string) => (await users.accounts.find(id))!.password_hash;

  it.each([
    ["password123", "passwordCommon"],
    ["Mallory-of-the-lake", "passwordHasUsername"],
    ["m.adams-1990", "passwordIsEmail"],
  ])("refuses the new password %j in every request that sets one", async (password, type) => {
    const account = { username: "mallory", email: "m.adams-1990@example.com" };
    const { token } = await administrator(app);
    const created = await request(app, "POST /api/users", {
      token,
      body: { ...account, password: PASSWORD },
    });
    const { id } = created.body;
    const before = await hashOf(id);
    const responses = [
      await request(app, "POST /api/auth/register", { body: { ...account, password } }),
      await request(app, "POST /api/users", { token, body: { ...account, password } }),
      await request(app, `PUT /api/users/${id}`, { token, body: { password } }),
    ];
    for (const { status, body } of responses) {
      expect(status).toBe(422);
      expect(body.data).toEqual([{ field: "password", type, message: expect.any(String) }]);
      expect(JSON.stringify(body)).not.toContain(password);
    }
    expect(await hashOf(id)).toBe(before);
    await request(app, `DELETE /api/users/${id}`, { token });
  });

  it("refuses a password that contains the account's new username", async () => {
    const { token } = await administrator(app);
    const { id } = await register(app);
    const { status } = await request(app, `PUT /api/users/${id}`, {
      token,
      body: { username: "lancelot", password: "lancelot of the lake" },
    });
    expect(status).toBe(422);
  });

  it("creates no first administrator with one of the most common passwords", async () => {
    const config = configOf(app.brokerOf("users"));
    const warnings: string[] = [];
    const noAccounts = { hasAdministrator: async () => false } as UsersService["accounts"];
    const common = { ...config, admin: { ...config.admin, password: "password1234" } };
    await ensureAdministrator(common, noAccounts, users.passwords, (text) => warnings.push(text));
    expect(warnings).toEqual([expect.stringMatching(/ADMIN_PASSWORD is one of the most common/)]);
  });

  it("replaces a hash at the next login after the cost was raised", async () => {
    const { id, username } = await register(app);
    const cheap = new Passwords(() => 4);
    const old = await cheap.hash(PASSWORD);
    await cheap.close();
    await users.accounts.change(id, () => ({ passwordHash: old }));

    const run = vi.spyOn(Piscina.prototype, "run");
    const refused = await request(app, "POST /api/auth/login", {
      body: { username, password: "wrong" },
    });
    expect(refused.status).toBe(401);
    expect(await hashOf(id)).toBe(old);
    // 2^4 rounds of the old hash, and dummy hashes for the rounds that a new one has more
    const [[[, hashes]]] = run.mock.calls as any;
    expect(hashes[0]).toBe(old);
    expect(hashes.map((hash: string) => Number(hash.slice(4, 6)))).toEqual([4, 4, 5, 6, 7, 8]);

    await login(app, username, PASSWORD);
    await expect.poll(() => hashOf(id)).toMatch(/^\$2b\$09\$/);
    await login(app, username, PASSWORD);
  });

  it("does not replace the hash of a password that has changed meanwhile", async () => {
    const { id } = await register(app);
    const before = await hashOf(id);
    const changed = await users.passwords.hash("another password");
    await users.accounts.change(id, () => ({ passwordHash: changed }));
    await users.accounts.replaceHash(id, before, "the old one, hashed anew");
    expect(await hashOf(id)).toBe(changed);
  });

  it("replaces a hash at the next login after the cost was lowered", async () => {
    const { id, username } = await register(app);
    const costly = new Passwords(() => 10);
    const old = await costly.hash(PASSWORD);
    await costly.close();
    await users.accounts.change(id, () => ({ passwordHash: old }));
    await login(app, username, PASSWORD);
    await expect.poll(() => hashOf(id)).toMatch(/^\$2b\$09\$/);
    await login(app, username, PASSWORD);
  });

  it("refuses at once the passwords that would wait for too long", async () => {
    const passwords = new Passwords(() => 12);
    await passwords.matches("wrong", undefined);
    const started = performance.now();
    const all = Array.from({ length: 500 }, () => passwords.matches("wrong", undefined));
    const ended = Promise.allSettled(all);
    await expect(Promise.any(all.map(refusalOf))).resolves.toMatchObject({
      type: "TooManyRequests",
      data: { retryAfter: 5 },
    });
    expect(performance.now() - started).toBeLessThan(5_000);
    await passwords.close();
    await ended;
  });

  it("leaves the node free for other requests while many users sign in", async () => {
    const count = 10;
    const done: number[] = [];
    const logins = Array.from({ length: count }, async (_, at) => {
      const body = { username: `nobody-${at}`, password: "wrong" };
      const { status } = await request(app, "POST /api/auth/login", { body });
      done.push(at);
      return status;
    });
    let otherRequests = 0;
    while (done.length < count) {
      expect((await request(app, "GET /api/posts")).status).toBe(200);
      otherRequests += 1;
    }
    // 429: a busy machine may not hash all of them in time
    for (const status of await Promise.all(logins)) expect([401, 429]).toContain(status);
    // on the thread of the requests, at most one would run between two hashes
    expect(otherRequests).toBeGreaterThan(count);
  });
});

/** The error of a promise that is rejected; rejects if it is not. */
const refusalOf = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error("It was not refused.")),
    (error: unknown) => error,
  );
