import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { HashingCost } from "../../../services/users/passwords/hashing-cost.ts";
import { up } from "../../../services/users/migrations/0011-hashing-cost.ts";
import type UsersService from "../../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { register } from "../../helpers/http.ts";

/** The result of the measurement on a machine, for a target of 100 ms. */
const FAST = async () => 20;
const MIDDLING = async () => 40;
const SLOW = async () => 300;

describe.skipIf(isMissing)("the cost of password hashes", () => {
  let app: App;
  let users: UsersService;
  const logged: string[] = [];

  beforeAll(async () => {
    app = await startApp({ BCRYPT_COST: "", BCRYPT_TARGET_MS: "10" });
    users = app.service("users") as unknown as UsersService;
  });
  afterAll(() => app?.stop());
  beforeEach(async () => {
    await costOf(4).current(SLOW);
    logged.length = 0;
  });

  const costOf = (bcryptCost?: number, db = users.db) => {
    const log = {
      info: (text: string) => logged.push(`info: ${text}`),
      warn: (text: string) => logged.push(`warn: ${text}`),
    };
    return new HashingCost({ db, config: { bcryptCost, bcryptTarget: 100 }, log });
  };

  it("is measured before the first hash, and at least 10", async () => {
    const { password_hash } = (await users.accounts.findByLogin("admin"))!;
    expect(password_hash).toMatch(/^\$2b\$1\d\$/);
  });

  it("is the highest one that meets the target, and logged", async () => {
    expect(await costOf().current(MIDDLING)).toBe(11);
    expect(logged).toEqual([
      "info: A password hash with bcrypt cost 11 takes 80 ms on this machine; BCRYPT_TARGET_MS is 100.",
    ]);
  });

  it("is the same on all nodes, and a slower one does not lower it but warns", async () => {
    const middling = costOf();
    expect(await middling.current(MIDDLING)).toBe(11);
    expect(await costOf().current(FAST)).toBe(12);
    expect(await middling.current(MIDDLING)).toBe(12);
    logged.length = 0;
    expect(await costOf().current(SLOW)).toBe(12);
    expect(logged).toEqual([
      expect.stringMatching(/^warn: .* cost 12 takes 1200 ms .* BCRYPT_COST=10 lowers it/),
    ]);
  });

  it("is 10 with a warning on a machine that is too slow for the target", async () => {
    expect(await costOf().current(SLOW)).toBe(10);
    expect(logged).toEqual([
      expect.stringMatching(/^warn: .* cost 10 takes 300 ms .* 10 is the lowest cost that is safe/),
    ]);
  });

  it("is BCRYPT_COST without a measurement, also if that is lower", async () => {
    const never = () => Promise.reject(new Error("measured"));
    expect(await costOf().current(FAST)).toBe(12);
    expect(await costOf(11).current(never)).toBe(11);
    // without the setting it stays, unless the machine allows more
    expect(await costOf().current(MIDDLING)).toBe(11);
  });

  it("is measured once, and again after a failure", async () => {
    let measured = 0;
    const measure = async () => {
      measured += 1;
      if (measured === 1) throw new Error("The thread has ended.");
      return 40;
    };
    const cost = costOf();
    await expect(cost.current(measure)).rejects.toThrow("The thread has ended.");
    expect(await Promise.all([cost.current(measure), cost.current(measure)])).toEqual([11, 11]);
    expect(measured).toBe(2);
  });

  it("begins with the highest cost of the accounts that exist", async () => {
    const { id } = await register(app);
    const old = "$2b$12$abcdefghijklmnopqrstuuJ1nYcOFsoF1n9ZBNvxxWoPxVEQpGZxe";
    await users.accounts.change(id, () => ({ passwordHash: old }));
    await users.db.schema.dropTable("hashing_cost").execute();
    await up(users.db as never);
    const { rows } = await sql`select cost from users.hashing_cost`.execute(users.db);
    expect(rows).toEqual([{ cost: 12 }]);
    expect(await costOf().current(SLOW)).toBe(12);
  });
});
