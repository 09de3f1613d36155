import { randomUUID } from "node:crypto";
import { type Kysely, sql } from "kysely";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type { ChangedAccount, DecideChanges, UsersDatabase } from "../accounts/account.ts";
import { linksIn, lockAccount, lockAddress, writeAccount } from "../accounts/account-rows.ts";
import { contract } from "../users.contract.ts";
import type { CurrentAddressPurpose, LinkPurpose } from "./links.repository.ts";

/**
 * Creates the links that are mailed, and makes the changes that they authorize. A link and its account's row are
 * written in one transaction that has locked the row.
 */
export class AccountLinks {
  readonly #db: Kysely<UsersDatabase>;

  constructor(db: Kysely<UsersDatabase>) {
    this.#db = db;
  }

  /**
   * Creates a link, and revokes older ones with the same purpose.
   *
   * @returns its token; undefined if the account has had too many in this hour
   * @throws CitadelError NotFound
   */
  async create(accountId: string, purpose: CurrentAddressPurpose): Promise<string | undefined> {
    return this.#db.transaction().execute(async (trx) => {
      await lockAccount(trx, accountId);
      return linksIn(trx).create(accountId, purpose);
    });
  }

  /**
   * Does the work of `create` for an account that does not exist, and rolls it back, so that the load on the database
   * does not tell whether an address is registered.
   */
  async simulateCreate(purpose: CurrentAddressPurpose): Promise<void> {
    const trx = await this.#db.startTransaction().execute();
    try {
      const id = randomUUID();
      await trx.selectFrom("accounts").selectAll().where("id", "=", id).forUpdate().execute();
      // lets the insert pass without an account: the foreign key would be checked at the commit
      await sql`set constraints all deferred`.execute(trx);
      await linksIn(trx).create(id, purpose);
    } finally {
      await trx.rollback().execute();
    }
  }

  /** The id of the account that a link belongs to. The link stays valid. @throws CitadelError LinkInvalid */
  async ownerOf(token: string, purpose: LinkPurpose): Promise<string> {
    const link = await linksIn(this.#db).find(token, purpose);
    if (!link) throw linkInvalid();
    return link.ownerId;
  }

  /**
   * Uses a link to change its account, and marks the address as verified. Of several concurrent requests with the same
   * link one succeeds.
   *
   * @throws CitadelError LinkInvalid
   */
  async use(
    token: string,
    purpose: CurrentAddressPurpose,
    decide: DecideChanges,
  ): Promise<ChangedAccount> {
    const id = await this.ownerOf(token, purpose);
    return this.#db.transaction().execute(async (trx) => {
      const before = await lockAccount(trx, id);
      const holder = await lockAddress(trx, before.email, id);
      const links = linksIn(trx);
      // read again: a concurrent request may have used or revoked it
      const link = await links.find(token, purpose);
      if (link?.ownerId !== id || holder !== undefined) throw linkInvalid();
      await links.revoke(id, [purpose]);
      return writeAccount(trx, before, { ...decide(before), emailVerified: true });
    });
  }

  /**
   * Uses a link to restore the address that it was mailed to. The address is verified again if it was before, unless
   * another account has verified it since. `writeAccount` revokes the link, since the address changes back.
   *
   * @throws CitadelError LinkInvalid
   */
  async restoreAddress(token: string): Promise<ChangedAccount> {
    const id = await this.ownerOf(token, "restore-email");
    return this.#db.transaction().execute(async (trx) => {
      const before = await lockAccount(trx, id);
      const link = await linksIn(trx).find(token, "restore-email");
      if (link?.ownerId !== id || !link.formerAddress) throw linkInvalid();
      const { email, isVerified } = link.formerAddress;
      const holder = await lockAddress(trx, email, id);
      const emailVerified = isVerified && holder === undefined;
      return writeAccount(trx, before, {
        email,
        // an attacker who changed the address may have set up a second factor since
        removeFactorOf: { since: link.createdAt },
        ...(emailVerified && { emailVerified }),
      });
    });
  }

  /** Has the account an unverified address that it got from a change that a link can still undo? */
  async hasRestorableChange(accountId: string): Promise<boolean> {
    const account = await this.#db
      .selectFrom("accounts")
      .select("email_verified_at")
      .where("id", "=", accountId)
      .executeTakeFirst();
    const canBeRestored = await linksIn(this.#db).hasRestoreLink(accountId);
    return canBeRestored && account?.email_verified_at === null;
  }
}

/** The link was used, has expired, is unknown, or is for an address that another account has verified. */
const linkInvalid = () => new ServiceError(contract, "LinkInvalid");
