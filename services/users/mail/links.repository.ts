import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, sql } from "kysely";
import { deleteInBatches } from "../../../lib/database/purge.ts";
import { hashOfToken, makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { LIMITS } from "../users.limits.ts";

export type LinkPurpose = "reset-password" | "verify-email" | "restore-email";

/** The purposes of links to an account's current address; `restore-email` goes to the former one. */
export type CurrentAddressPurpose = Exclude<LinkPurpose, "restore-email">;

interface LinksTable {
  id: string;
  /** SHA-256 of the token; null until the link is mailed. */
  hash: Generated<string | null>;
  account_id: string;
  purpose: LinkPurpose;
  created_at: Generated<Date>;
  expires_at: Date;
  /** When it was used or revoked. */
  ended_at: Generated<Date | null>;
  /** The address that `restore-email` restores, and whether it was verified. */
  restores_email: Generated<string | null>;
  restores_verified: Generated<boolean | null>;
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

/** A link that may be mailed. */
interface PendingLink extends Omit<ValidLink, "createdAt"> {
  readonly purpose: LinkPurpose;
}

/** When a link expires that is mailed now. */
const expiryOf = (purpose: LinkPurpose) =>
  sql<Date>`now() + make_interval(secs => ${LIFETIMES[purpose]})`;

const formerAddressOf = (row: {
  restores_email: string | null;
  restores_verified: boolean | null;
}): FormerAddress | undefined =>
  row.restores_email === null
    ? undefined
    : { email: row.restores_email, isVerified: row.restores_verified === true };

/**
 * The links in mails. A link is created in the transaction of what it belongs to, and gets its token when it is mailed,
 * so that no queue holds the token. A write belongs in a transaction that has locked the account's row, so that
 * concurrent requests with the same link are decided one after the other.
 */
export class LinksRepository {
  readonly #db: Kysely<LinksDatabase>;

  constructor(db: Kysely<LinksDatabase>) {
    this.#db = db;
  }

  /**
   * Creates a link without a token. Older ones stay valid until `issue`.
   *
   * @param id of the new link; with the id of an existing one nothing is created
   * @returns the id; undefined if the account has had too many others with this purpose in this hour
   */
  async create(
    accountId: string,
    purpose: CurrentAddressPurpose,
    id: string = randomUUID(),
  ): Promise<string | undefined> {
    const { recent } = await this.#db
      .selectFrom("links")
      .select(({ fn }) => fn.countAll<string>().as("recent"))
      .where("account_id", "=", accountId)
      .where("purpose", "=", purpose)
      .where("id", "!=", id)
      .where(
        "created_at",
        ">",
        sql<Date>`now() - make_interval(secs => ${LIMITS.linksOfAccount.seconds})`,
      )
      .executeTakeFirstOrThrow();
    if (Number(recent) >= LIMITS.linksOfAccount.max) return undefined;
    await this.#insert(id, accountId, purpose);
    return id;
  }

  /**
   * Creates a link without a token that restores an address. Older ones stay valid: an attacker who changes the address
   * twice must not revoke the owner's link.
   *
   * @returns its id
   */
  async createRestoreLink(
    accountId: string,
    { email, isVerified }: FormerAddress,
  ): Promise<string> {
    const id = randomUUID();
    await this.#insert(id, accountId, "restore-email", {
      restores_email: email,
      restores_verified: isVerified,
    });
    return id;
  }

  async #insert(
    id: string,
    account_id: string,
    purpose: LinkPurpose,
    restores?: { restores_email: string; restores_verified: boolean },
  ): Promise<void> {
    await this.#db
      .insertInto("links")
      .values({ id, account_id, purpose, expires_at: expiryOf(purpose), ...restores })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .execute();
  }

  /** Finds a link by its id, unless it was used or revoked. */
  async findPending(id: string): Promise<PendingLink | undefined> {
    const row = await this.#db
      .selectFrom("links")
      .select(["account_id", "purpose", "restores_email", "restores_verified"])
      .where("id", "=", id)
      .where("ended_at", "is", null)
      .executeTakeFirst();
    return (
      row && { ownerId: row.account_id, purpose: row.purpose, formerAddress: formerAddressOf(row) }
    );
  }

  /**
   * Gives a link a new token, with which its lifetime begins. Its former token no longer works, nor do other links to
   * the account's current address with this purpose.
   *
   * @returns the token, which is not stored; undefined if the link was used or revoked
   */
  async issue(id: string, purpose: LinkPurpose): Promise<string | undefined> {
    const token = makeOpaqueToken();
    const link = await this.#db
      .updateTable("links")
      .set({ hash: hashOfToken(token), expires_at: expiryOf(purpose) })
      .where("id", "=", id)
      .where("ended_at", "is", null)
      .returning("account_id")
      .executeTakeFirst();
    if (!link) return undefined;
    if (purpose !== "restore-email") await this.revoke(link.account_id, [purpose], id);
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
    return (
      row && {
        ownerId: row.account_id,
        createdAt: row.created_at,
        formerAddress: formerAddressOf(row),
      }
    );
  }

  /** Has the account a valid link that restores a former address? */
  async hasRestoreLink(accountId: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom("links")
      .select("id")
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

  /** Deletes the links that expired more than a day ago: the limit of an hour still counts younger ones. */
  async purge(): Promise<void> {
    await deleteInBatches(async (size) => {
      const { numDeletedRows } = await this.#db
        .deleteFrom("links")
        .where("id", "in", ({ selectFrom }) =>
          selectFrom("links")
            .select("id")
            .where("expires_at", "<", sql<Date>`now() - interval '1 day'`)
            .limit(size)
            .forUpdate()
            .skipLocked(),
        )
        .executeTakeFirstOrThrow();
      return numDeletedRows;
    });
  }

  /** Revokes an account's links with these purposes, except one if given. */
  async revoke(
    accountId: string,
    purposes: readonly LinkPurpose[],
    except: string | null = null,
  ): Promise<void> {
    await this.#db
      .updateTable("links")
      .set({ ended_at: sql`now()` })
      .where("account_id", "=", accountId)
      .where("purpose", "in", purposes)
      .where("id", "is distinct from", except)
      .where("ended_at", "is", null)
      .execute();
  }
}
