import { createHash } from "node:crypto";
import { type Generated, type Kysely, sql } from "kysely";

export interface KnownAddressesDatabase {
  known_addresses: { account_id: string; hash: string; seen_at: Generated<Date> };
}

/** How many addresses of an account are remembered. */
const MAX_KNOWN = 20;

const hashOf = (accountId: string, address: string) =>
  createHash("sha256").update(`${accountId} ${address}`).digest("base64url");

/** Not an error: the account was removed while its owner signed in. */
function accountGone(error: Error & { constraint?: string }): void {
  if (error.constraint !== "known_addresses_account_id_fkey") throw error;
}

/** From where each account signed in lately. */
export class KnownAddressesRepository {
  readonly #db: Kysely<KnownAddressesDatabase>;

  constructor(db: Kysely<KnownAddressesDatabase>) {
    this.#db = db;
  }

  async has(accountId: string, address: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom("known_addresses")
      .select("hash")
      .where("account_id", "=", accountId)
      .where("hash", "=", hashOf(accountId, address))
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Remembers an address, and forgets those that were seen longest ago. Of an account that is gone nothing. */
  async add(accountId: string, address: string): Promise<void> {
    await this.#db
      .insertInto("known_addresses")
      .values({ account_id: accountId, hash: hashOf(accountId, address) })
      .onConflict((conflict) =>
        conflict.columns(["account_id", "hash"]).doUpdateSet({ seen_at: sql`now()` }),
      )
      .execute()
      .catch(accountGone);
    await this.#db
      .deleteFrom("known_addresses")
      .where("account_id", "=", accountId)
      .where("hash", "in", (select) =>
        select
          .selectFrom("known_addresses")
          .select("hash")
          .where("account_id", "=", accountId)
          .orderBy("seen_at", "desc")
          .orderBy("hash")
          .offset(MAX_KNOWN),
      )
      .execute();
  }
}
