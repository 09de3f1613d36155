import { type Generated, type Kysely, sql } from "kysely";
import { hashOfToken, makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { LIMITS } from "../users.limits.ts";

export type LinkPurpose = "reset-password" | "verify-email" | "restore-email";

/** The purposes of links to an account's current address; `restore-email` goes to the former one. */
export type CurrentAddressPurpose = Exclude<LinkPurpose, "restore-email">;

interface LinksTable {
  /** SHA-256 of the token. */
  hash: string;
  account_id: string;
  purpose: LinkPurpose;
  created_at: Generated<Date>;
  expires_at: Date;
  /** When it was used or revoked. */
  ended_at: Date | null;
  /** The address that `restore-email` restores, and whether it was verified. */
  restores_email: string | null;
  restores_verified: boolean | null;
}

export interface LinksDatabase {
  links: LinksTable;
}

/** How long links are valid, in seconds. */
const LIFETIMES: Readonly<Record<LinkPurpose, number>> = {
  "reset-password": 30 * 60,
  "verify-email": 24 * 3_600,
  "restore-email": 3 * 86_400,
};

/** An address that an account had before it got another one. */
export interface FormerAddress {
  readonly email: string;
  readonly isVerified: boolean;
}

interface ValidLink {
  readonly ownerId: string;
  readonly createdAt: Date;
  /** What `restore-email` restores. */
  readonly formerAddress: FormerAddress | undefined;
}

/**
 * The links that were mailed. A write belongs in a transaction that has locked the account's row, so that concurrent
 * requests with the same link are decided one after the other.
 */
export class LinksRepository {
  readonly #db: Kysely<LinksDatabase>;

  constructor(db: Kysely<LinksDatabase>) {
    this.#db = db;
  }

  /**
   * Creates a link, and revokes older ones with the same purpose.
   *
   * @returns its token, which is not stored; undefined if the account has had too many in this hour
   */
  async create(accountId: string, purpose: CurrentAddressPurpose): Promise<string | undefined> {
    const { recent } = await this.#db
      .selectFrom("links")
      .select(({ fn }) => fn.countAll<string>().as("recent"))
      .where("account_id", "=", accountId)
      .where("purpose", "=", purpose)
      .where(
        "created_at",
        ">",
        sql<Date>`now() - make_interval(secs => ${LIMITS.linksOfAccount.seconds})`,
      )
      .executeTakeFirstOrThrow();
    if (Number(recent) >= LIMITS.linksOfAccount.max) return undefined;

    await this.revoke(accountId, [purpose]);
    await this.#db
      .deleteFrom("links")
      .where("account_id", "=", accountId)
      .where("expires_at", "<", sql<Date>`now() - interval '1 day'`)
      .execute();
    return this.#insert(accountId, purpose);
  }

  /**
   * Creates a link that restores an address. Older ones stay valid: an attacker who changes the address twice must not
   * revoke the owner's link.
   *
   * @returns its token, which is not stored
   */
  async createRestoreLink(
    accountId: string,
    { email, isVerified }: FormerAddress,
  ): Promise<string> {
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

  /** Finds a link that is still valid. */
  async find(token: string, purpose: LinkPurpose): Promise<ValidLink | undefined> {
    const row = await this.#db
      .selectFrom("links")
      .select(["account_id", "created_at", "restores_email", "restores_verified"])
      .where("hash", "=", hashOfToken(token))
      .where("purpose", "=", purpose)
      .where("ended_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`)
      .executeTakeFirst();
    if (!row) return undefined;
    const { restores_email: email, restores_verified } = row;
    return {
      ownerId: row.account_id,
      createdAt: row.created_at,
      formerAddress: email === null ? undefined : { email, isVerified: restores_verified === true },
    };
  }

  /** Has the account a valid link that restores a former address? */
  async hasRestoreLink(accountId: string): Promise<boolean> {
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
   * Revokes the links that would undo a return to this address: the first one that restores it, and all later ones.
   *
   * @returns whether there were any
   */
  async revokeRestoreLinks(accountId: string, email: string): Promise<boolean> {
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

  /** Revokes an account's links with these purposes. */
  async revoke(accountId: string, purposes: readonly LinkPurpose[]): Promise<void> {
    await this.#db
      .updateTable("links")
      .set({ ended_at: sql`now()` })
      .where("account_id", "=", accountId)
      .where("purpose", "in", purposes)
      .where("ended_at", "is", null)
      .execute();
  }
}
