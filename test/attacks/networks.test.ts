import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { Piscina } from "piscina";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type UsersService from "../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { PASSWORD, register, request } from "../helpers/http.ts";
import { mailTo } from "../helpers/mail.ts";

/** Password guessing from many addresses: one customer may have an IPv6 /48, which has 65,536 networks of /64. */
describe.skipIf(isMissing)("Password guessing", () => {
  let app: App;
  let users: UsersService;

  beforeAll(async () => {
    app = await startApp({ TRUSTED_PROXIES: "127.0.0.0/8" });
    users = app.service("users") as unknown as UsersService;
  });
  afterAll(() => app?.stop());
  afterEach(() => vi.restoreAllMocks());

  const guess = (address: string, username: string, password = "wrong") =>
    request(app, "POST /api/auth/login", {
      body: { username, password },
      headers: { "x-forwarded-for": address },
    });

  /** Runs ten sequences at once, each one attempt after the other. */
  const guesses = async (count: number, of: (at: number) => ReturnType<typeof guess>) => {
    const types: string[] = [];
    const row = async (first: number) => {
      for (let at = first; at < count; at += 10) types.push((await of(at)).body.type);
    };
    await Promise.all(Array.from({ length: 10 }, (_, first) => row(first)));
    return { evaluated: types.filter((type) => type === "InvalidCredentials").length };
  };

  /** Sets a counter to this number. */
  const setCounter = (key: string, points: number) =>
    sql`insert into users.login_limits (key, points, expire)
      values (${key}, ${points}, ${Date.now() + 600_000})
      on conflict (key) do update set points = excluded.points, expire = excluded.expire`.execute(
      users.db,
    );

  it("from one IPv6 /48 is refused after twice as many attempts as from one /64", async () => {
    const matches = vi.spyOn(users.passwords, "matches");
    await setCounter("address:2001:db8:1::/48", 190);
    const { evaluated } = await guesses(20, (at) => guess(`2001:db8:1:${at}00::1`, randomUUID()));
    expect(evaluated).toBe(10);
    expect(matches).toHaveBeenCalledTimes(10);
  });

  it("from one IPv6 /56 is refused after 1.5 times as many attempts as from one /64", async () => {
    await setCounter("address:2001:db8:1:ff00::/56", 145);
    const { evaluated } = await guesses(10, (at) => guess(`2001:db8:1:ff0${at}::1`, randomUUID()));
    // the /48 above has no attempts left
    expect(evaluated).toBe(0);
    await setCounter("address:2001:db8:1::/48", 0);
    const again = await guesses(10, (at) => guess(`2001:db8:1:ff0${at}::1`, randomUUID()));
    expect(again.evaluated).toBe(5);
  });

  it("from one IPv6 /48 for one account is refused after 20 attempts", async () => {
    const { username } = await register(app);
    const { evaluated } = await guesses(25, (at) => guess(`2001:db8:2:${at}00::1`, username));
    expect(evaluated).toBe(20);
    // other networks are not refused
    expect((await guess("2001:db8:3::1", username, PASSWORD)).status).toBe(200);
  });

  it("from one IPv4 address in several IPv6 forms is counted for the IPv4 address", async () => {
    const { username } = await register(app);
    const forms = [
      "203.0.113.9",
      "::ffff:203.0.113.9",
      "64:ff9b::203.0.113.9",
      "2002:cb00:7109::1",
    ];
    const { evaluated } = await guesses(20, (at) => guess(forms[at % 4]!, username));
    expect(evaluated).toBe(10);
  });

  it("for all accounts from everywhere is refused, except from known networks of an account", async () => {
    const { username } = await register(app);
    const home = "198.51.100.1";
    expect((await guess(home, username, PASSWORD)).status).toBe(200);
    await setCounter("everywhere:all", 999);
    try {
      expect((await guess("198.51.100.2", randomUUID())).body.type).toBe("InvalidCredentials");
      const matches = vi.spyOn(users.passwords, "matches");
      const { status, body, headers } = await guess("198.51.100.3", username, PASSWORD);
      expect([status, body.type]).toEqual([429, "TooManyRequests"]);
      expect(headers.get("retry-after")).toBe(String(body.data.retryAfter));
      expect(body.message).toMatch(/Try again in 10 minutes, sign in from a network .* before/);
      expect(matches).not.toHaveBeenCalled();
      expect((await guess(home, username, PASSWORD)).status).toBe(200);
    } finally {
      await setCounter("everywhere:all", 0);
    }
  });

  it("does not delay a user who signs in from a known network", async () => {
    const { username } = await register(app);
    const home = "198.51.100.4";
    expect((await guess(home, username, PASSWORD)).status).toBe(200);
    const begun: string[] = [];
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const run = Piscina.prototype.run;
    vi.spyOn(Piscina.prototype, "run").mockImplementation(async function (
      this: Piscina,
      ...given: Parameters<typeof run>
    ) {
      begun.push((given[0] as string[])[0]!);
      await opened;
      return run.apply(this, given);
    });
    const matches = vi.spyOn(users.passwords, "matches");
    const crowd = Array.from({ length: 30 }, (_, at) =>
      guess(`2001:db8:4:${at}00::1`, randomUUID()),
    );
    await expect.poll(() => matches).toHaveBeenCalledTimes(30);
    const underWay = begun.length;
    expect(underWay).toBeLessThan(30);
    const owner = guess(home, username, PASSWORD);
    const stranger = guess("198.51.100.5", randomUUID(), "of a stranger");
    await expect.poll(() => matches).toHaveBeenCalledTimes(32);
    open();
    expect((await owner).status).toBe(200);
    await Promise.all([stranger, ...crowd]);
    // it is served first of those that began later; unknown networks share the other half
    expect(begun.indexOf(PASSWORD)).toBe(underWay);
    expect(begun.indexOf("of a stranger")).toBeLessThan(underWay + 5);
  });

  it("is refused with the time to wait; the owner can still reset the password by mail", async () => {
    const { username } = await register(app);
    const address = "198.51.100.6";
    const { evaluated } = await guesses(10, () => guess(address, username));
    expect(evaluated).toBe(10);
    const { status, body, headers } = await guess(address, username, PASSWORD);
    expect(status).toBe(429);
    expect(body.message).toMatch(
      /Try again in 1[45] minutes, sign in from another network, or set a new password .* by mail/,
    );
    expect(headers.get("retry-after")).toBe(String(body.data.retryAfter));

    const from = { headers: { "x-forwarded-for": address } };
    const email = `${username}@example.com`;
    await request(app, "POST /api/auth/forgot-password", { ...from, body: { email } });
    const { token } = await mailTo(app, email, /new password/);
    const newPassword = "another good password";
    const reset = { token, newPassword };
    const done = await request(app, "POST /api/auth/reset-password", { ...from, body: reset });
    expect(done.status).toBe(204);
    expect((await guess(address, username, newPassword)).status).toBe(200);
  });
});
