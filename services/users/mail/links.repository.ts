import { type Generated, type Kysely, sql } from "kysely";
import { hashOfToken, makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";

/** What a link in a mail is good for. */
export type LinkPurpose = "reset-password" | "verify-email" | "restore-email";

/** What a link is good for that is mailed to the account's address. */
export type MailedLink = Exclude<LinkPurpose, "restore-email">;

interface Links {
  hash: string;
  account_id: string;
  purpose: LinkPurpose;
  created_at: Generated<Date>;
  expires_at: Date;
  /** When it was used, or became worth nothing. */
  ended_at: Date | null;
  /** The address that `restore-email` gives back, and whether it was verified. */
  restores_email: string | null;
  restores_verified: boolean | null;
}

export interface LinksDatabase {
  links: Links;
}

/** For how long links are good, in seconds. */
const LIFETIMES: Readonly<Record<LinkPurpose, number>> = {
  "reset-password": 30 * 60,
  "verify-email": 24 * 3_600,
  "restore-email": 3 * 86_400,
};

/** How many links of one purpose an account gets in an hour. */
const PER_HOUR = 3;

/** An address that an account gave up. */
export interface GivenUp {
  readonly email: string;
  readonly isVerified: boolean;
}

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
  async make(accountId: string, purpose: MailedLink): Promise<string | undefined> {
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
      .where("expires_at", "<", sql<Date>`now() - interval '1 day'`)
      .execute();
    return this.#insert(accountId, purpose);
  }

  /**
   * Makes a link that gives an address back. Older ones stay: who moves an account twice must not end the
   * link of the owner's address by that.
   *
   * @returns its token, which is stored nowhere
   */
  async makeRestoring(accountId: string, { email, isVerified }: GivenUp): Promise<string> {
    return this.#insert(accountId, "restore-email", {
      restores_email: email,
      restores_verified: isVerified,
    });
  }

  async #insert(
    account_id: string,
    purpose: LinkPurpose,
    restores?: { restores_email: string; restores_verified: boolean },
  ): Promise<string> {
    const token = makeOpaqueToken();
    await this.#db
      .insertInto("links")
      .values({
        hash: hashOfToken(token),
        account_id,
        purpose,
        expires_at: sql`now() + make_interval(secs => ${LIFETIMES[purpose]})`,
        ...restores,
      })
      .execute();
    return token;
  }

  /** Whose link this is, and which address it gives back, if it is still good; nothing is used up. */
  async find(
    token: string,
    purpose: LinkPurpose,
  ): Promise<{ ownerId: string; madeAt: Date; restores: GivenUp | undefined } | undefined> {
    const row = await this.#db
      .selectFrom("links")
      .select(["account_id", "created_at", "restores_email", "restores_verified"])
      .where("hash", "=", hashOfToken(token))
      .where("purpose", "=", purpose)
      .where("ended_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
    if (!row) return undefined;
    const { account_id: ownerId, created_at: madeAt, restores_email: email } = row;
    const { restores_verified } = row;
    const restores = email === null ? undefined : { email, isVerified: restores_verified === true };
    return { ownerId, madeAt, restores };
  }

  /** Has an account a link that still gives an address back? */
  async hasRestoring(accountId: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom("links")
      .select("hash")
      .where("account_id", "=", accountId)
      .where("purpose", "=", "restore-email")
      .where("ended_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Ends the links that would undo a return to this address: the first that gives it back, and all later ones.
   *
   * @returns were there any?
   */
  async endRestoring(accountId: string, email: string): Promise<boolean> {
    const first = this.#db
      .selectFrom("links")
      .select(({ fn }) => fn.min("created_at").as("created_at"))
      .where("account_id", "=", accountId)
      .where("purpose", "=", "restore-email")
      .where("ended_at", "is", null)
      .where(sql`lower(restores_email)`, "=", email.toLowerCase());
    const { numUpdatedRows } = await this.#db
      .updateTable("links")
      .set({ ended_at: sql`now()` })
      .where("account_id", "=", accountId)
      .where("purpose", "=", "restore-email")
      .where("ended_at", "is", null)
      .where("created_at", ">=", first)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
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
