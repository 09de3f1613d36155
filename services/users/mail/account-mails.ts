import { randomUUID } from "node:crypto";
import type { Config } from "../../../lib/config/config.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import type { Account } from "../accounts/account.ts";
import type { UsersRepository } from "../users.repository.ts";
import type { AccountLinks, PendingMail } from "./account-links.ts";
import type { LinkPurpose } from "./links.repository.ts";
import type { MailKind, MailLimits } from "./mail-limits.ts";
import {
  addressAlreadyRegistered,
  LINK_MAILS,
  type MailContent,
  type Notice,
  NOTICES,
} from "./mail-texts.ts";
import type { Mail, Mailer } from "./mailer.ts";

/** The pages of the web client that take a link's token. It is in the URL's fragment, which no server logs. */
const PAGES: Readonly<Record<LinkPurpose, string>> = {
  "reset-password": "/reset-password",
  "verify-email": "/verify-email",
  "restore-email": "/restore-email",
};

/** Mails to an address that the account has not verified have a limit of their own, since anyone can cause them. */
const kindFor = (isVerified: boolean, kind: MailKind): MailKind =>
  isVerified ? kind : "unverified";

function kindOf({ purpose, isVerified }: PendingMail): MailKind {
  if (purpose === "verify-email") return purpose;
  return kindFor(isVerified, purpose === "restore-email" ? "notice" : purpose);
}

export interface NoticeMail {
  readonly accountId: string;
  readonly to: string;
  /** Had the account verified the address? */
  readonly isVerified: boolean;
  readonly notice: Notice;
}

interface AccountMailsOptions {
  readonly config: Pick<Config, "webUrl">;
  readonly accounts: UsersRepository;
  readonly links: AccountLinks;
  readonly limits: MailLimits;
  readonly mailer: Mailer;
}

/**
 * Writes and delivers the mails to the owners of accounts; the jobs in mail.jobs.ts call it. A recipient who has had too
 * many mails of a kind gets none. Each method can be repeated after a failure, and throws the errors of `Mailer.deliver`.
 */
export class AccountMails {
  readonly #accounts: UsersRepository;
  readonly #links: AccountLinks;
  readonly #limits: MailLimits;
  readonly #mailer: Mailer;
  readonly #webUrl: string;

  constructor({ config, accounts, links, limits, mailer }: AccountMailsOptions) {
    this.#accounts = accounts;
    this.#links = links;
    this.#limits = limits;
    this.#mailer = mailer;
    this.#webUrl = config.webUrl;
  }

  /**
   * Gives a link its token and mails it, unless it was used or revoked. If another account has verified the address, its
   * owner gets a mail without a link: this account cannot verify it.
   */
  async sendLink(id: string): Promise<void> {
    const link = await this.#links.findPending(id);
    if (!link) return;
    const { ownerId, purpose, email } = link;
    await this.#deliver(kindOf(link), email, async () => {
      const token = await this.#links.issue(id, link);
      const holder = await this.#accounts.findHolder({ id: ownerId, email });
      if (token === undefined) return undefined;
      if (!holder) return { to: email, ...this.#linkMail(purpose, token) };
      // the former address is its new owner's
      if (purpose === "restore-email") return undefined;
      return { to: holder.email, ...addressAlreadyRegistered(holder.username) };
    });
  }

  /**
   * Mails a link that sets a new password. If there is no account with this address, or the account has had too many
   * links, the work is the same, so that the load does not tell which one it is.
   *
   * @param id of the link, the same at each repetition
   */
  async sendResetLink(account: Account | undefined, email: string, id: string): Promise<void> {
    // the owner of the new address must not get the account while the change of address can be undone
    const isMoving = await this.#links.hasRestorableChange(account?.id ?? randomUUID());
    if (account && !isMoving && (await this.#links.createResetLink(account.id, id)))
      await this.sendLink(id);
    else await this.#simulateResetLink(email);
  }

  /** Does the work of `sendLink` for an address without an account, and sends nothing. */
  async #simulateResetLink(email: string): Promise<void> {
    const reservation = await this.#limits.reserveMail("reset-password", email);
    if (!reservation) return;
    await this.#links.simulateResetLink();
    await this.#accounts.findHolder({ id: randomUUID(), email });
    await this.#mailer.compose({
      to: email,
      ...this.#linkMail("reset-password", makeOpaqueToken()),
    });
    // no mail is sent, so that the recipient's limit is unchanged
    await reservation.release();
  }

  /** Mails a notice, unless the address belongs to the owner of another account. */
  async sendNotice({ accountId, to, isVerified, notice }: NoticeMail): Promise<void> {
    if (await this.#accounts.findHolder({ id: accountId, email: to })) return;
    await this.#deliver(kindFor(isVerified, "notice"), to, async () => ({
      to,
      ...NOTICES[notice],
    }));
  }

  #linkMail(purpose: LinkPurpose, token: string): MailContent {
    const url = `${this.#webUrl}${PAGES[purpose]}#token=${token}`;
    return LINK_MAILS[purpose]({ url, token });
  }

  /** Delivers a mail within the recipient's limit. It is counted before it is written, and stays counted if delivered. */
  async #deliver(
    kind: MailKind,
    to: string,
    write: () => Promise<Mail | undefined>,
  ): Promise<void> {
    const reservation = await this.#limits.reserveMail(kind, to);
    if (!reservation) return;
    let isDelivered = false;
    try {
      const mail = await write();
      if (!mail) return;
      await this.#mailer.deliver(mail);
      isDelivered = true;
    } finally {
      if (!isDelivered) await reservation.release();
    }
  }
}
