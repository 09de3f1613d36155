import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import { KEYED } from "./recovery-codes.ts";

interface SecondFactors {
  account_id: string;
  /** Encrypted. */
  secret: string;
  /** Null until the owner has shown a code of it. */
  confirmed_at: Date | null;
  /** The time step of the last code that was accepted. */
  last_step: number | null;
  /** When the last wrong code is forgotten; each one adds `CODE_LIMITS.forgetAfter`. */
  guesses_until: Generated<Date | null>;
  /** No code is looked at before. */
  retry_at: Generated<Date | null>;
}

export interface SecondFactorDatabase {
  second_factors: SecondFactors;
  recovery_codes: { account_id: string; hash: string };
}

/** When something happened. */
export interface Period {
  readonly since: Date;
  /** Left out: until now. */
  readonly until?: Date;
}

export type StoredFactor = Selectable<SecondFactors>;

/** Second factors and the codes that stand in for them, hashed. Each is used up in one statement. */
export class SecondFactorRepository {
  readonly #db: Kysely<SecondFactorDatabase>;

  constructor(db: Kysely<SecondFactorDatabase>) {
    this.#db = db;
  }

  async find(accountId: string): Promise<StoredFactor | undefined> {
    return this.#db
      .selectFrom("second_factors")
      .selectAll()
      .where("account_id", "=", accountId)
      .executeTakeFirst();
  }

  /** Stores a secret that is still to be confirmed. @returns false where one is confirmed already */
  async propose(accountId: string, secret: string): Promise<boolean> {
    const row = await this.#db
      .insertInto("second_factors")
      .values({ account_id: accountId, secret, confirmed_at: null, last_step: null })
      .onConflict((conflict) =>
        conflict
          .column("account_id")
          .doUpdateSet({ secret })
          .where("second_factors.confirmed_at", "is", null),
      )
      .returning("account_id")
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Confirms this secret, with the first code and the first recovery codes. @returns was it there? */
  async confirm({ account_id, secret }: StoredFactor, step: number, hashes: readonly string[]) {
    return this.#db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable("second_factors")
        .set({ confirmed_at: new Date(), last_step: step })
        .where("account_id", "=", account_id)
        .where("secret", "=", secret)
        .where("confirmed_at", "is", null)
        .returning("account_id")
        .executeTakeFirst();
      if (row) await insertCodes(trx, account_id, hashes);
      return row !== undefined;
    });
  }

  /** Uses up a time step and all before it. @returns was it still good? */
  async useStep(accountId: string, step: number): Promise<boolean> {
    const row = await this.#db
      .updateTable("second_factors")
      .set({ last_step: step })
      .where("account_id", "=", accountId)
      .where((where) => where.or([where("last_step", "is", null), where("last_step", "<", step)]))
      .returning("account_id")
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Uses up a recovery code. @returns was there such a one? */
  async useCode(accountId: string, hash: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom("recovery_codes")
      .where("account_id", "=", accountId)
      .where("hash", "=", hash)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  async countCodes(accountId: string): Promise<number> {
    const { count } = await this.#db
      .selectFrom("recovery_codes")
      .select(({ fn }) => fn.countAll().as("count"))
      .where("account_id", "=", accountId)
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  /** New recovery codes, in place of those that are left. */
  async replaceCodes(accountId: string, hashes: readonly string[]): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom("recovery_codes").where("account_id", "=", accountId).execute();
      await insertCodes(trx, accountId, hashes);
    });
  }

  /** Up to `limit` factors whose recovery codes are hashed without a key, by account, after that one. */
  async listWithUnkeyedCodes(after: string, limit: number): Promise<StoredFactor[]> {
    return this.#db
      .selectFrom("second_factors")
      .selectAll()
      .where("account_id", "in", (select) =>
        select
          .selectFrom("recovery_codes")
          .select("account_id")
          .where("hash", "not like", `${KEYED}%`),
      )
      .where("account_id", ">", after)
      .orderBy("account_id")
      .limit(limit)
      .execute();
  }

  /** Replaces the hashes of an account that were made without a key. */
  async keyCodes(accountId: string, keyed: (hash: string) => string): Promise<void> {
    const rows = await this.#db
      .selectFrom("recovery_codes")
      .select("hash")
      .where("account_id", "=", accountId)
      .where("hash", "not like", `${KEYED}%`)
      .execute();
    for (const { hash } of rows)
      await this.#db
        .updateTable("recovery_codes")
        .set({ hash: keyed(hash) })
        .where("account_id", "=", accountId)
        .where("hash", "=", hash)
        .execute();
  }

  /** The ids of the keys that secrets are encrypted with. */
  async keyIds(): Promise<string[]> {
    const rows = await this.#db.selectFrom("second_factors").select(keyId).distinct().execute();
    return rows.map((row) => row.keyId);
  }

  /** Up to `limit` factors that are encrypted with other keys than this one, by account, after that one. */
  async listOthers(key: string, after: string, limit: number): Promise<StoredFactor[]> {
    return this.#db
      .selectFrom("second_factors")
      .selectAll()
      .where(keyId.expression, "!=", key)
      .where("account_id", ">", after)
      .orderBy("account_id")
      .limit(limit)
      .execute();
  }

  /** The same secret encrypted anew, unless there is another by now. @returns was it the same? */
  async replaceSecret({ account_id, secret }: StoredFactor, renewed: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable("second_factors")
      .set({ secret: renewed })
      .where("account_id", "=", account_id)
      .where("secret", "=", secret)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Forgets a secret that is still to be confirmed. */
  async removeProposed(accountId: string): Promise<void> {
    await this.#db
      .deleteFrom("second_factors")
      .where("account_id", "=", accountId)
      .where("confirmed_at", "is", null)
      .execute();
  }

  /**
   * Removes a factor, or only one that was confirmed in this period.
   *
   * @returns was there one, confirmed or not?
   */
  async remove(accountId: string, period?: Period): Promise<boolean> {
    let factor = this.#db.deleteFrom("second_factors").where("account_id", "=", accountId);
    if (period) factor = factor.where("confirmed_at", ">=", period.since);
    if (period?.until) factor = factor.where("confirmed_at", "<", period.until);
    const { numDeletedRows } = await factor.executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }
}

/** The id of the key that a secret is encrypted with. */
const keyId = sql<string>`split_part(secret, '.', 1)`.as("keyId");

const insertCodes = (
  db: Kysely<SecondFactorDatabase>,
  account_id: string,
  hashes: readonly string[],
) =>
  db
    .insertInto("recovery_codes")
    .values(hashes.map((hash) => ({ account_id, hash })))
    .execute();
