import { randomUUID } from "node:crypto";
import { type Kysely, sql } from "kysely";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type {
  Account,
  AccountChanges,
  ChangedAccount,
  UsersDatabase,
} from "../accounts/account.ts";
import { linksIn, lockAccount, lockAddress, writeAccount } from "../accounts/account-rows.ts";
import type { Notifications } from "../notifications.ts";
import { contract } from "../users.contract.ts";
import type { CurrentAddressPurpose, LinkPurpose } from "./links.repository.ts";

/** A link that may be mailed, and the address that it goes to. */
export interface PendingMail {
  readonly ownerId: string;
  readonly purpose: LinkPurpose;
  readonly email: string;
  readonly isVerified: boolean;
}

/**
 * The links in mails, and the changes that they authorize. A link and its account's row are written in one transaction
 * that has locked the row.
 */
export class AccountLinks {
  readonly #db: Kysely<UsersDatabase>;
  readonly #notifications: Notifications;

  constructor(db: Kysely<UsersDatabase>, notifications: Notifications) {
    this.#db = db;
    this.#notifications = notifications;
  }

  /**
   * Sends the mail with another link that verifies the account's address, unless it is verified.
   *
   * @returns false if the account has had too many in this hour
   * @throws CitadelError NotFound
   */
  async requestVerification(accountId: string): Promise<boolean> {
    return this.#db.transaction().execute(async (trx) => {
      const { email_verified_at } = await lockAccount(trx, accountId);
      if (email_verified_at !== null) return true;
      return this.#notifications.verifyAddress(trx, accountId);
    });
  }

  /**
   * Creates a link that sets a new password. `issue` gives it a token.
   *
   * @param id of the link, so that a repeated call creates no other
   * @returns false if the account has had too many in this hour
   * @throws CitadelError NotFound
   */
  async createResetLink(accountId: string, id: string): Promise<boolean> {
    return this.#db.transaction().execute(async (trx) => {
      await lockAccount(trx, accountId);
      return (await linksIn(trx).create(accountId, "reset-password", id)) !== undefined;
    });
  }

  /** What a link is for and whom it is mailed to. @returns undefined if it was used or revoked */
  async findPending(id: string): Promise<PendingMail | undefined> {
    const link = await linksIn(this.#db).findPending(id);
    if (!link) return undefined;
    const { ownerId, purpose, formerAddress } = link;
    if (formerAddress) return { ownerId, purpose, ...formerAddress };
    const account = await this.#db
      .selectFrom("accounts")
      .select(["email", "email_verified_at"])
      .where("id", "=", ownerId)
      .executeTakeFirst();
    return (
      account && {
        ownerId,
        purpose,
        email: account.email,
        isVerified: account.email_verified_at !== null,
      }
    );
  }

  /**
   * Gives a link its token.
   *
   * @returns the token; undefined if the link was used or revoked
   */
  async issue(id: string, { ownerId, purpose }: PendingMail): Promise<string | undefined> {
    return this.#db.transaction().execute(async (trx) => {
      await lockAccount(trx, ownerId);
      return linksIn(trx).issue(id, purpose);
    });
  }

  /**
   * Does the work of `createResetLink`, `findPending` and `issue` for an account that does not exist, and rolls it back,
   * so that the load on the database does not tell whether an address is registered.
   */
  async simulateResetLink(): Promise<void> {
    const trx = await this.#db.startTransaction().execute();
    try {
      const [accountId, id] = [randomUUID(), randomUUID()];
      await trx
        .selectFrom("accounts")
        .selectAll()
        .where("id", "=", accountId)
        .forUpdate()
        .execute();
      // lets the insert pass without an account: the foreign key would be checked at the commit
      await sql`set constraints all deferred`.execute(trx);
      const links = linksIn(trx);
      await links.create(accountId, "reset-password", id);
      await links.findPending(id);
      await links.issue(id, "reset-password");
    } finally {
      await trx.rollback().execute();
    }
  }

  async purge(): Promise<void> {
    await linksIn(this.#db).purge();
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
    decide: (account: Account) => AccountChanges,
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
      const changed = await writeAccount(trx, before, { ...decide(before), emailVerified: true });
      await this.#notifications.accountChanged(trx, changed);
      return changed;
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
      const changed = await writeAccount(trx, before, {
        email,
        // an attacker who changed the address may have set up a second factor since
        removeFactorOf: { since: link.createdAt },
        ...(emailVerified && { emailVerified }),
      });
      await this.#notifications.notify(trx, changed.after, "email-restored");
      return changed;
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
