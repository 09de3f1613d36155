import { createHash } from "node:crypto";
import { type Generated, type Kysely, sql } from "kysely";

export interface KnownAddressesDatabase {
  known_addresses: { account_id: string; hash: string; seen_at: Generated<Date> };
}

/** How many addresses of one account are remembered. */
const MAX_PER_ACCOUNT = 20;

const hashOf = (accountId: string, address: string) =>
  createHash("sha256").update(`${accountId} ${address}`).digest("base64url");

/** An account that was removed during the login is not an error. */
function ignoreRemovedAccount(error: Error & { constraint?: string }): void {
  if (error.constraint !== "known_addresses_account_id_fkey") throw error;
}

/** The client addresses from which each account signed in last. */
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

  /** Stores an address, and deletes the ones that were used longest ago. Does nothing for a removed account. */
  async add(accountId: string, address: string): Promise<void> {
    await this.#db
      .insertInto("known_addresses")
      .values({ account_id: accountId, hash: hashOf(accountId, address) })
      .onConflict((conflict) =>
        conflict.columns(["account_id", "hash"]).doUpdateSet({ seen_at: sql`now()` }),
      )
      .execute()
      .catch(ignoreRemovedAccount);
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
          .offset(MAX_PER_ACCOUNT),
      )
      .execute();
  }
}
