import type { Transaction } from "kysely";
import type { AnyTransaction } from "../../lib/database/any-database.ts";
import type { Events, Jobs } from "../../lib/contract/durable.ts";
import type { Account, ChangedAccount, UsersDatabase } from "./accounts/account.ts";
import { linksIn } from "./accounts/account-rows.ts";
import type { Notice } from "./mail/mail-texts.ts";
import type { contract } from "./users.contract.ts";

/**
 * The mails and events that tell of changes. They are written in the transaction of the change: a crash loses none of
 * them, and a change that is rolled back sends none. A job names an account or a link; no job holds a token or a text.
 */
export class Notifications {
  readonly #jobs: Jobs<typeof contract>;
  readonly #events: Events<typeof contract>;

  constructor(jobs: Jobs<typeof contract>, events: Events<typeof contract>) {
    this.#jobs = jobs;
    this.#events = events;
  }

  async accountCreated(trx: Transaction<UsersDatabase>, { id, username }: Account): Promise<void> {
    await this.#events.emit(trx, "user.created", { id, username });
    await this.verifyAddress(trx, id);
  }

  async accountRemoved(trx: AnyTransaction, id: string): Promise<void> {
    await this.#events.emit(trx, "user.removed", { id });
  }

  /** Mails the owner of an account what `writeAccount` has changed, and tells other services of a new username. */
  async accountChanged(
    trx: Transaction<UsersDatabase>,
    { before, after, restoreLinkId }: ChangedAccount,
  ): Promise<void> {
    const isMoved = before.email !== after.email;
    if (isMoved) {
      if (restoreLinkId === undefined) await this.notify(trx, before, "email-replaced");
      else await this.#jobs.send(trx, "sendLink", { id: restoreLinkId });
      await this.verifyAddress(trx, after.id);
    }
    if (before.password_hash !== after.password_hash)
      await this.notify(trx, isMoved ? before : after, "password-changed");
    if (before.username !== after.username)
      await this.#events.emit(trx, "user.renamed", { id: after.id });
  }

  /** Mails the account's address a notice. */
  async notify(trx: AnyTransaction, account: Account, notice: Notice): Promise<void> {
    await this.#jobs.send(trx, "sendNotice", {
      accountId: account.id,
      // another person may change the address before the mail is sent
      to: account.email,
      isVerified: account.email_verified_at !== null,
      notice,
    });
  }

  /**
   * Mails the account's address a link that verifies it.
   *
   * @returns false if the account has had too many in this hour
   */
  async verifyAddress(trx: Transaction<UsersDatabase>, accountId: string): Promise<boolean> {
    const id = await linksIn(trx).create(accountId, "verify-email");
    if (id === undefined) return false;
    await this.#jobs.send(trx, "sendLink", { id });
    return true;
  }
}
