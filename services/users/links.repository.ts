import { type Generated, type Kysely, sql } from "kysely";
import { hashOfToken, makeOpaqueToken } from "../../lib/tokens/opaque-token.ts";

/** What a link in a mail is good for. */
export type LinkPurpose = "reset-password" | "verify-email";

interface Links {
  hash: string;
  account_id: string;
  purpose: LinkPurpose;
  created_at: Generated<Date>;
  expires_at: Date;
  /** When it was used, or became worth nothing. */
  ended_at: Date | null;
}

export interface LinksDatabase {
  links: Links;
}

/** For how long links are good, in seconds. */
const LIFETIMES: Readonly<Record<LinkPurpose, number>> = {
  "reset-password": 30 * 60,
  "verify-email": 24 * 3_600,
};

/** How many links of one purpose an account gets in an hour. */
const PER_HOUR = 3;

/**
 * The links that were mailed, as hashes. What changes them belongs into a transaction that has locked
 * the account's row, so that of many at once one comes first.
 */
export class LinksRepository {
  readonly #db: Kysely<LinksDatabase>;

  constructor(db: Kysely<LinksDatabase>) {
    this.#db = db;
  }

  /**
   * Makes a link, which ends older ones.
   *
   * @returns its token, which is stored nowhere; undefined: the account had enough of them lately
   */
  async make(
    accountId: string,
    purpose: LinkPurpose,
  ): Promise<{ token: string; madeAt: Date } | undefined> {
    const { recent } = await this.#db
      .selectFrom("links")
      .select(({ fn }) => fn.countAll<string>().as("recent"))
      .where("account_id", "=", accountId)
      .where("purpose", "=", purpose)
      .where("created_at", ">", sql<Date>`now() - interval '1 hour'`)
      .executeTakeFirstOrThrow();
    if (Number(recent) >= PER_HOUR) return undefined;

    await this.end(accountId, [purpose]);
    await this.#db
      .deleteFrom("links")
      .where("account_id", "=", accountId)
      .where("created_at", "<", sql<Date>`now() - interval '2 days'`)
      .execute();
    const token = makeOpaqueToken();
    const { created_at: madeAt } = await this.#db
      .insertInto("links")
      .values({
        hash: hashOfToken(token),
        account_id: accountId,
        purpose,
        expires_at: sql`now() + make_interval(secs => ${LIFETIMES[purpose]})`,
      })
      .returning("created_at")
      .executeTakeFirstOrThrow();
    return { token, madeAt };
  }

  /** Whose link this is, and when it was made, if it is still good; nothing is used up. */
  async find(
    token: string,
    purpose: LinkPurpose,
  ): Promise<{ ownerId: string; madeAt: Date } | undefined> {
    return this.#db
      .selectFrom("links")
      .select(["account_id as ownerId", "created_at as madeAt"])
      .where("hash", "=", hashOfToken(token))
      .where("purpose", "=", purpose)
      .where("ended_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
  }

  /** Ends what an account has of links for these purposes. */
  async end(accountId: string, purposes: readonly LinkPurpose[]): Promise<void> {
    await this.#db
      .updateTable("links")
      .set({ ended_at: sql`now()` })
      .where("account_id", "=", accountId)
      .where("purpose", "in", purposes)
      .where("ended_at", "is", null)
      .execute();
  }
}
