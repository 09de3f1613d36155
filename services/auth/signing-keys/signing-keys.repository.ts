import { type Kysely, sql } from "kysely";
import type { Algorithm } from "../../../lib/tokens/jwt.ts";
import type { AuthDatabase } from "../tables.ts";

/** A stored key; times in seconds, from now on. */
export interface StoredKey {
  kid: string;
  alg: Algorithm;
  privateKey: string;
  age: number;
  /** Zero or less: it signs, or did until the next one took over. */
  startsIn: number;
}

export type NewKey = Pick<StoredKey, "kid" | "alg" | "privateKey">;

/** The keys that access tokens are signed with. All times are the database's, so that nodes agree. */
export class SigningKeysRepository {
  readonly #db: Kysely<AuthDatabase>;

  constructor(db: Kysely<AuthDatabase>) {
    this.#db = db;
  }

  /** All keys, in the order in which they sign. */
  async list(): Promise<StoredKey[]> {
    return select(this.#db).execute();
  }

  /**
   * Stores a key that signs after `lead` seconds, or at once if it is the first, unless another node has
   * been faster. Nodes wait for each other.
   *
   * @param isDue is a new one needed, with this one the last?
   * @returns was it stored?
   */
  async add(
    { kid, alg, privateKey }: NewKey,
    lead: number,
    isDue: (last: StoredKey | undefined) => boolean,
  ): Promise<boolean> {
    return this.#db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(hashtext('auth.signing_keys'))`.execute(trx);
      const last = (await select(trx).execute()).at(-1);
      if (!isDue(last)) return false;
      // one that waits already is not overtaken
      const wait = last ? Math.max(lead, last.startsIn + 0.01) : 0;
      await trx
        .insertInto("signing_keys")
        .values({
          kid,
          alg,
          private_key: privateKey,
          signs_from: sql<Date>`now() + make_interval(secs => ${wait})`,
        })
        .execute();
      return true;
    });
  }

  /** Deletes the keys that others took over from more than `seconds` ago. */
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

const select = (db: Kysely<AuthDatabase>) =>
  db
    .selectFrom("signing_keys")
    .select([
      "kid",
      "alg",
      "private_key as privateKey",
      sql<number>`extract(epoch from now() - created_at)::float8`.as("age"),
      sql<number>`extract(epoch from signs_from - now())::float8`.as("startsIn"),
    ])
    .orderBy("signs_from");
