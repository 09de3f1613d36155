import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { Piscina } from "piscina";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type UsersService from "../../services/users/users.service.ts";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { auditOf } from "../helpers/audit.ts";
import { callFrom } from "../helpers/call.ts";
import { PASSWORD, register, request, requestFrom } from "../helpers/http.ts";

const LOGIN = "POST /api/auth/login";

describe.skipIf(isMissing)("Guessing passwords", () => {
  let app: App;
  let users: UsersService;
  /** Each test uses addresses of its own. */
  let lastByte = 9;
  const newAddress = () => `127.0.0.${++lastByte}`;

  beforeAll(async () => {
    app = await sharedApp();
    users = app.service("users") as unknown as UsersService;
  });
  afterEach(() => vi.restoreAllMocks());

  const guess = (address: string, username: string, password = "wrong") =>
    requestFrom(app, address, LOGIN, { username, password });

  const guesses = (count: number, address: string, username: string) =>
    Promise.all(Array.from({ length: count }, () => guess(address, username)));

  it("costs the same work and gets the same response for a known and an unknown account", async () => {
    const { username } = await register(app);
    const run = vi.spyOn(Piscina.prototype, "run");
    const address = newAddress();
    const [known, unknown] = [await guess(address, username), await guess(address, "unknown-user")];
    expect(known.status).toBe(401);
    expect(unknown.body).toEqual(known.body);
    const costs = run.mock.calls.map(([[, hashes]]: any) =>
      hashes.map((hash: string) => hash.slice(0, 7)),
    );
    expect(costs).toEqual([["$2b$04$"], ["$2b$04$"]]);
  });

  it.each(["known", "unknown"])(
    "is limited to ten of a hundred concurrent attempts at the password of an %s account",
    async (kind) => {
      const { username } = kind === "known" ? await register(app) : { username: randomUUID() };
      const matches = vi.spyOn(users.passwords, "matches");
      const address = newAddress();
      const responses = await guesses(100, address, username);
      const types = responses.map(({ body }) => body.type);
      expect(types.filter((type) => type === "InvalidCredentials")).toHaveLength(10);
      expect(types.filter((type) => type === "TooManyRequests")).toHaveLength(90);
      expect(matches).toHaveBeenCalledTimes(10);

      const { body, headers } = await guess(address, username.toUpperCase(), PASSWORD);
      expect(body).toMatchObject({ code: 429, type: "TooManyRequests" });
      expect(body.data.retryAfter).toBeGreaterThan(800);
      expect(body.data.retryAfter).toBeLessThanOrEqual(900);
      expect(headers.get("retry-after")).toBe(String(body.data.retryAfter));
      expect(matches).toHaveBeenCalledTimes(10);
      if (kind === "known") {
        const owner = await guess(newAddress(), username, PASSWORD);
        expect(owner.status).toBe(200);
      }
      expect(await auditOf(app, { event: "login.limited", address })).toHaveLength(1);
      const failed = await auditOf(app, { event: "login.failed", address }, 10);
      expect(failed).toHaveLength(10);
      if (kind === "unknown") expect(JSON.stringify(failed)).not.toContain(username);
      else expect(failed[0]).toMatchObject({ subject: username, data: { reason: "password" } });
    },
  );

  it("does not reveal by its limits which e-mail address belongs to which account", async () => {
    const { id, username } = await register(app);
    const [email, address] = [`${username}@example.com`, newAddress()];
    await guesses(10, address, username);
    expect((await guess(address, username)).status).toBe(429);
    // the keys of an account's counters cannot be used as usernames
    await guesses(10, address, id);
    await guesses(10, address, `account ${id} email`);
    for (const name of [email, `${randomUUID()}@example.com`])
      expect((await guess(address, name)).body.type).toBe("InvalidCredentials");

    // upper and lower case count together
    await guesses(9, address, email.toUpperCase());
    const matches = vi.spyOn(users.passwords, "matches");
    expect((await guess(address, email, PASSWORD)).status).toBe(429);
    expect(matches).not.toHaveBeenCalled();
  });

  it("is limited when one address tries a password on many accounts", async () => {
    const { username } = await register(app);
    const address = newAddress();
    const names = Array.from({ length: 100 }, () => randomUUID());
    const responses = await Promise.all(names.map((name) => guess(address, name, "spring 2026")));
    expect(responses.every(({ body }) => body.type === "InvalidCredentials")).toBe(true);
    const matches = vi.spyOn(users.passwords, "matches");
    const { body } = await guess(address, username, PASSWORD);
    expect(body.type).toBe("TooManyRequests");
    expect(matches).not.toHaveBeenCalled();
    // other addresses are not affected, and the refused attempt did not count against the account
    expect((await guess(newAddress(), username, PASSWORD)).status).toBe(200);
  });

  it("is limited when many addresses try one account, but not for its owner's known address", async () => {
    const { username } = await register(app);
    const home = newAddress();
    expect((await guess(home, username, PASSWORD)).status).toBe(200);
    for (let crowd = 0; crowd < 5; crowd++) await guesses(10, newAddress(), username);
    const { body } = await guess(newAddress(), username, PASSWORD);
    expect(body.type).toBe("TooManyRequests");
    expect(body.data.retryAfter).toBeGreaterThan(900);
    expect((await guess(home, username, PASSWORD)).status).toBe(200);
  });

  it("is limited by account if the client's address is unknown", async () => {
    const { username } = await register(app);
    const attempt = (password: string) =>
      callFrom(app, "api", "users.login", { username, password }).catch((error) => error);
    const results = [];
    for (let count = 0; count < 51; count++) results.push(await attempt("wrong"));
    expect(results.slice(0, 50).every(({ type }) => type === "InvalidCredentials")).toBe(true);
    expect(results[50].type).toBe("TooManyRequests");
    expect((await attempt(PASSWORD)).type).toBe("TooManyRequests");
  });

  it("does not count concurrent logins of 60 accounts with the right password", async () => {
    const passwordHash = await users.passwords.hash(PASSWORD);
    const people = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        users.accounts.insert({
          username: `colleague-${at}`,
          email: `colleague-${at}@example.com`,
          passwordHash,
          roles: ["user"],
          subjectType: "EndUserAccount",
        }),
      ),
    );
    const address = newAddress();
    for (let round = 0; round < 2; round++) {
      const responses = await Promise.all(
        people.map(({ username }) => guess(address, username, PASSWORD)),
      );
      expect(responses.map(({ status }) => status)).toEqual(people.map(() => 200));
    }
    const left = await sql<{ points: number }>`
      select points from users.login_limits where key = ${`address:${address}`}`.execute(users.db);
    expect(left.rows).toEqual([{ points: 0 }]);
  });

  it("does not count 50 concurrent logins of one account with the right password", async () => {
    const { username } = await register(app);
    const address = newAddress();
    const responses = await Promise.all(
      Array.from({ length: 50 }, () => guess(address, username, PASSWORD)),
    );
    expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
  });

  it("gets an error, even with the right password, while the counters are unavailable", async () => {
    const { username } = await register(app);
    const matches = vi.spyOn(users.passwords, "matches");
    await sql`alter table users.login_limits rename to away`.execute(users.db);
    try {
      const { status, body } = await guess(newAddress(), username, PASSWORD);
      expect(status).toBeGreaterThanOrEqual(500);
      expect(body.access_token).toBeUndefined();
      expect(matches).not.toHaveBeenCalled();
    } finally {
      await sql`alter table users.away rename to login_limits`.execute(users.db);
    }
    expect((await request(app, LOGIN, { body: { username, password: PASSWORD } })).status).toBe(
      200,
    );
  });

  it("stores unknown usernames and known addresses only as hashes", async () => {
    const [{ username }, unknown] = [await register(app), randomUUID()];
    const address = newAddress();
    await guess(address, unknown);
    await guess(address, username, PASSWORD);
    const { rows } = await sql<{ key: string }>`
      select key from users.login_limits union all select hash from users.known_addresses
    `.execute(users.db);
    const stored = JSON.stringify(rows);
    expect(stored).not.toContain(unknown);
    expect(stored).not.toContain(username);
    expect(rows.filter(({ key }) => key.includes(address))).toEqual([
      { key: `address:${address}` },
    ]);
  });
});
