import { type Kysely, sql } from "kysely";
import type { Events } from "../../../lib/contract/durable.ts";
import type { Algorithm } from "../../../lib/tokens/jwt.ts";
import type { contract } from "../auth.contract.ts";
import type { AuthDatabase } from "../tables.ts";

export interface StoredKey {
  kid: string;
  alg: Algorithm;
  /** Encrypted. */
  privateKey: string;
  /** In seconds. */
  age: number;
  /** The seconds until it signs; zero or less: it signs, or did until the next key signed. */
  signsIn: number;
}

export type NewKey = Pick<StoredKey, "kid" | "alg" | "privateKey">;

/** The stored signing keys. All times are the database's, so that the nodes of auth agree. */
export class SigningKeysRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #events: Events<typeof contract>;

  constructor(db: Kysely<AuthDatabase>, events: Events<typeof contract>) {
    this.#db = db;
    this.#events = events;
  }

  /** All keys, in the order in which they sign. */
  async list(): Promise<StoredKey[]> {
    return selectKeys(this.#db).execute();
  }

  /**
   * Stores a key and tells the other nodes, unless one of them has stored a key in the meantime. Nodes take turns by an
   * advisory lock.
   *
   * @param lead the seconds until the key signs; the first key signs at once
   * @param isDue decides by the newest key whether a new one is needed
   * @returns whether it was stored
   */
  async add(
    { kid, alg, privateKey }: NewKey,
    lead: number,
    isDue: (newest: StoredKey | undefined) => boolean,
  ): Promise<boolean> {
    return this.#db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(hashtext('auth.signing_keys'))`.execute(trx);
      const newest = (await selectKeys(trx).execute()).at(-1);
      if (!isDue(newest)) return false;
      // it must not sign before a key that was published earlier
      const wait = newest ? Math.max(lead, newest.signsIn + 0.01) : 0;
      await trx
        .insertInto("signing_keys")
        .values({
          kid,
          alg,
          private_key: privateKey,
          signs_from: sql<Date>`now() + make_interval(secs => ${wait})`,
        })
        .execute();
      await this.#events.emit(trx, "signing-keys.changed", {});
      return true;
    });
  }

  /** Deletes the keys that were replaced more than `seconds` ago. */
  async purge(seconds: number): Promise<void> {
    await this.#db
      .deleteFrom("signing_keys")
      .where("signs_from", "<", ({ selectFrom }) =>
        selectFrom("signing_keys as next")
          .select(({ fn }) => fn.max("next.signs_from").as("signs_from"))
          .where("next.signs_from", "<", sql<Date>`now() - make_interval(secs => ${seconds})`),
      )
      .execute();
  }
}

const selectKeys = (db: Kysely<AuthDatabase>) =>
  db
    .selectFrom("signing_keys")
    .select([
      "kid",
      "alg",
      "private_key as privateKey",
      sql<number>`extract(epoch from now() - created_at)::float8`.as("age"),
      sql<number>`extract(epoch from signs_from - now())::float8`.as("signsIn"),
    ])
    .orderBy("signs_from");
