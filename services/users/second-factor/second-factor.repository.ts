import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import type { AnyTransaction } from "../../../lib/database/any-database.ts";
import { HMAC_PREFIX } from "./recovery-codes.ts";

interface SecondFactorsTable {
  account_id: string;
  /** The encrypted TOTP secret. */
  secret: string;
  /** Null until the owner has confirmed it with a code. */
  confirmed_at: Date | null;
  /** The time step of the last code that was accepted. */
  last_step: number | null;
  /** When no wrong code counts any more. Each wrong code moves it by `CODE_LIMITS.forgetAfter` seconds. */
  guesses_until: Generated<Date | null>;
  /** Codes are refused until then. */
  retry_at: Generated<Date | null>;
}

export interface SecondFactorDatabase {
  second_factors: SecondFactorsTable;
  recovery_codes: { account_id: string; hash: string };
}

export interface Period {
  readonly since: Date;
  /** Exclusive; without it the period lasts until now. */
  readonly until?: Date;
}

type InTransaction = (trx: AnyTransaction) => Promise<void>;

export type StoredFactor = Selectable<SecondFactorsTable>;

/** Second factors, and the hashes of their recovery codes. One statement uses up a code, so that each works once. */
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

  /** Stores a secret that is not confirmed yet. @returns false if the account has a confirmed one */
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

  /**
   * Confirms a secret, and stores its recovery codes.
   *
   * @param tell runs in the transaction of the change
   * @returns false if the secret was replaced, removed or confirmed
   */
  async confirm(
    { account_id, secret }: StoredFactor,
    { step, hashes, tell }: { step: number; hashes: readonly string[]; tell: InTransaction },
  ): Promise<boolean> {
    return this.#db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable("second_factors")
        .set({ confirmed_at: new Date(), last_step: step })
        .where("account_id", "=", account_id)
        .where("secret", "=", secret)
        .where("confirmed_at", "is", null)
        .returning("account_id")
        .executeTakeFirst();
      if (!row) return false;
      await insertCodes(trx, account_id, hashes);
      await tell(trx);
      return true;
    });
  }

  /** Uses up a time step of TOTP and all earlier ones. @returns false if it was used up before */
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

  /** Uses up a recovery code. @returns false if there is none with this hash */
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

  /** Replaces all recovery codes. @param tell runs in the transaction of the change */
  async replaceCodes(
    accountId: string,
    hashes: readonly string[],
    tell: InTransaction,
  ): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom("recovery_codes").where("account_id", "=", accountId).execute();
      await insertCodes(trx, accountId, hashes);
      await tell(trx);
    });
  }

  /** The next factors after an account, ordered by account, whose recovery codes have hashes without a key (plain). */
  async listWithPlainHashes(after: string, limit: number): Promise<StoredFactor[]> {
    return this.#db
      .selectFrom("second_factors")
      .selectAll()
      .where("account_id", "in", (select) =>
        select
          .selectFrom("recovery_codes")
          .select("account_id")
          .where("hash", "not like", `${HMAC_PREFIX}%`),
      )
      .where("account_id", ">", after)
      .orderBy("account_id")
      .limit(limit)
      .execute();
  }

  /** Replaces an account's plain hashes of recovery codes by HMACs. */
  async replacePlainHashes(accountId: string, toHmac: (hash: string) => string): Promise<void> {
    const rows = await this.#db
      .selectFrom("recovery_codes")
      .select("hash")
      .where("account_id", "=", accountId)
      .where("hash", "not like", `${HMAC_PREFIX}%`)
      .execute();
    for (const { hash } of rows)
      await this.#db
        .updateTable("recovery_codes")
        .set({ hash: toHmac(hash) })
        .where("account_id", "=", accountId)
        .where("hash", "=", hash)
        .execute();
  }

  /** The ids of all keys that encrypt a secret. */
  async keyIds(): Promise<string[]> {
    const rows = await this.#db.selectFrom("second_factors").select(keyId).distinct().execute();
    return rows.map((row) => row.keyId);
  }

  /** The next factors after an account, ordered by account, that are encrypted with another key than `key`. */
  async listOtherKeys(key: string, after: string, limit: number): Promise<StoredFactor[]> {
    return this.#db
      .selectFrom("second_factors")
      .selectAll()
      .where(keyId.expression, "!=", key)
      .where("account_id", ">", after)
      .orderBy("account_id")
      .limit(limit)
      .execute();
  }

  /** Replaces the encrypted text of a secret. @returns false if the stored text has changed since it was read */
  async replaceSecret({ account_id, secret }: StoredFactor, renewed: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable("second_factors")
      .set({ secret: renewed })
      .where("account_id", "=", account_id)
      .where("secret", "=", secret)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Removes a secret that is not confirmed yet. */
  async removeProposed(accountId: string): Promise<void> {
    await this.#db
      .deleteFrom("second_factors")
      .where("account_id", "=", accountId)
      .where("confirmed_at", "is", null)
      .execute();
  }

  /**
   * Removes a second factor. If a period is given, removes it only if it was confirmed in that period.
   *
   * @returns whether one was removed
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
