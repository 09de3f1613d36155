import { createHash } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Encryption, makeEncryptionKey } from "../../lib/encryption.ts";
import { renewStoredFactors } from "../../services/users/second-factor/key-rotation.ts";
import { SecondFactorRepository } from "../../services/users/second-factor/second-factor.repository.ts";
import type UsersService from "../../services/users/users.service.ts";
import { type App, isMissing, restart, startApp } from "../helpers/app.ts";
import { steal } from "../helpers/attacker.ts";
import { login, PASSWORD, register, request } from "../helpers/http.ts";
import { codeOf, confirm, propose, registerWithFactor } from "../helpers/second-factor.ts";

describe.skipIf(isMissing)("a stored second factor", () => {
  let app: App;
  let users: UsersService;

  beforeAll(async () => {
    app = await startApp();
    users = app.service("users") as unknown as UsersService;
  });
  afterAll(() => app?.stop());

  const open = (keys: string) =>
    renewStoredFactors(new SecondFactorRepository(users.db), new Encryption(keys));

  const secretOf = async (id: string) =>
    (await new SecondFactorRepository(users.db).find(id))!.secret;

  it("keeps users from starting if its encryption key is missing, with an error that says what to do", async () => {
    const { id } = await registerWithFactor(app);
    const before = await secretOf(id);
    await expect(open(makeEncryptionKey())).rejects.toThrow(
      /USERS_ENCRYPTION_KEY lacks the key .* Add that key/,
    );
    expect(await secretOf(id)).toBe(before);
  });

  it("gets HMACs for plain hashes of recovery codes when users starts", async () => {
    const { id, username, codes, secret } = await registerWithFactor(app);
    const [code = ""] = codes;
    const plain = createHash("sha256")
      .update(`${id} ${code.replaceAll("-", "")}`)
      .digest("base64url");
    const damaged = await registerWithFactor(app);
    for (const one of [id, damaged.id]) {
      await users.db.deleteFrom("recovery_codes").where("account_id", "=", one).execute();
      await users.db
        .insertInto("recovery_codes")
        .values({ account_id: one, hash: plain })
        .execute();
    }
    const update = users.db.updateTable("second_factors").set({ secret: await secretOf(id) });
    await update.where("account_id", "=", damaged.id).execute();
    await Promise.all([1, 2].map(() => open(steal(app, "users", "encryption_key"))));
    const hashes = await users.db
      .selectFrom("recovery_codes")
      .select("hash")
      .where("account_id", "=", id)
      .execute();
    expect(hashes).toEqual([{ hash: expect.stringMatching(/^hmac\./) }]);
    await login(app, username, PASSWORD, code);
    await login(app, username, PASSWORD, codeOf(secret));
    await users.db.deleteFrom("second_factors").where("account_id", "=", damaged.id).execute();
  });

  it("is encrypted with a new key when users starts, after which the old key can be removed", async () => {
    const restartWith = async (keys: string) => {
      app = await restart(app, { USERS_ENCRYPTION_KEY: keys });
      users = app.service("users") as unknown as UsersService;
    };
    await users.db.deleteFrom("second_factors").execute();
    const [{ id, username, secret }, proposer] = [
      await registerWithFactor(app),
      await register(app),
    ];
    const proposed = (await propose(app, proposer.token)).body.secret;
    const damaged = await registerWithFactor(app);
    const update = users.db.updateTable("second_factors").set({ secret: await secretOf(id) });
    await update.where("account_id", "=", damaged.id).execute();

    const [old, next] = [steal(app, "users", "encryption_key"), makeEncryptionKey()];
    const [nextId] = new Encryption(next).keyIds;
    await restartWith(`${next}\n${old}`);
    for (const one of [id, proposer.id])
      expect((await secretOf(one)).startsWith(`${nextId}.`)).toBe(true);
    expect(await open(`${next}\n${old}`)).toBe(0);
    // a damaged secret does not stop the others, but its old key cannot be removed
    await expect(open(next)).rejects.toThrow(/lacks the key/);
    await users.db.deleteFrom("second_factors").where("account_id", "=", damaged.id).execute();

    await restartWith(next);
    const refused = await request(app, "POST /api/auth/login", {
      body: { username, password: PASSWORD },
    });
    expect(refused.body.type).toBe("SecondFactorRequired");
    await login(app, username, PASSWORD, codeOf(secret));
    const { token } = await login(app, proposer.username, PASSWORD);
    expect((await confirm(app, token, codeOf(proposed))).status).toBe(200);
  });

  it("is encrypted again by one of two nodes that start at the same time", async () => {
    const { id } = await register(app);
    const [old, next] = [makeEncryptionKey(), makeEncryptionKey()];
    const factors = new SecondFactorRepository(users.db);
    await users.db.deleteFrom("second_factors").execute();
    await sql`insert into users.accounts (id, username, email, password_hash, roles, subject_type)
      select gen_random_uuid(), 'many-' || n, 'many-' || n || '@example.com', '', '{}', 'EndUserAccount'
      from generate_series(1, 250) n`.execute(users.db);
    const many = await users.db
      .selectFrom("accounts")
      .select("id")
      .where("username", "like", "many-%")
      .execute();
    const all = [id, ...many.map((one) => one.id)];
    const encryption = new Encryption(old);
    for (const one of all) await factors.propose(one, encryption.encrypt("a secret", one));

    const renewed = await Promise.all([1, 2].map(() => open(`${next}\n${old}`)));
    expect(renewed[0]! + renewed[1]!).toBe(all.length);
    expect(await factors.keyIds()).toEqual(new Encryption(next).keyIds);
    for (const one of all)
      expect(new Encryption(next).decrypt(await secretOf(one), one)).toBe("a secret");
  });
});
