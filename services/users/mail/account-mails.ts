import { randomUUID } from "node:crypto";
import { Background } from "../../../lib/background.ts";
import type { Config } from "../../../lib/config/config.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import type { Account, ChangedAccount } from "../accounts/account.ts";
import type { UsersRepository } from "../users.repository.ts";
import type { AccountLinks } from "./account-links.ts";
import { LimitedMailer } from "./limited-mailer.ts";
import type { CurrentAddressPurpose, LinkPurpose } from "./links.repository.ts";
import type { MailKind, MailLimits } from "./mail-limits.ts";
import {
  addressAlreadyRegistered,
  emailReplaced,
  emailRestored,
  LINK_MAILS,
  type MailContent,
  passwordChanged,
  recoveryCodesRenewed,
  secondFactorEnabled,
  secondFactorGuessed,
} from "./mail-texts.ts";
import { mailFolder, type MailLog } from "./mailer.ts";

/** The pages of the web client that take a link's token. It is in the URL's fragment, which no server logs. */
const PAGES: Readonly<Record<LinkPurpose, string>> = {
  "reset-password": "/reset-password",
  "verify-email": "/verify-email",
  "restore-email": "/restore-email",
};

/** Mails to an address that the account has not verified have a limit of their own, since anyone can cause them. */
const kindFor = ({ email_verified_at }: Account, kind: MailKind): MailKind =>
  email_verified_at === null ? "unverified" : kind;

interface AccountMailsOptions {
  readonly config: Config;
  readonly accounts: UsersRepository;
  readonly links: AccountLinks;
  readonly limits: MailLimits;
  readonly log: MailLog;
}

/** Mails to the owners of accounts. They are sent in the background: no request waits for one. */
export class AccountMails {
  readonly #accounts: UsersRepository;
  readonly #links: AccountLinks;
  readonly #webUrl: string;
  readonly #mailer: LimitedMailer;
  readonly #background: Background;

  constructor({ config, accounts, links, limits, log }: AccountMailsOptions) {
    const { smtpUrl, mailFrom: from, webUrl } = config;
    this.#accounts = accounts;
    this.#links = links;
    this.#webUrl = webUrl;
    this.#mailer = new LimitedMailer({ smtpUrl, from, folder: mailFolder(config), log }, limits);
    this.#background = new Background((error) =>
      log.error({ err: error }, "A mail could not be written."),
    );
  }

  /** Runs work that may send a mail, so that the response time does not tell whether it did. */
  inBackground(work: () => Promise<void>): void {
    this.#background.run(work);
  }

  /**
   * Creates a link and mails it. A recipient who has had too many mails gets none, and an older link stays valid. If
   * another account has verified the address, its owner gets a mail without a link: this account cannot verify it. The
   * work is the same in all cases, so that the load does not tell which one it is.
   *
   * @returns false if the account has had too many links in this hour
   */
  async sendLink(account: Account, purpose: CurrentAddressPurpose): Promise<boolean> {
    const isReset = purpose === "reset-password";
    const kind = isReset ? kindFor(account, purpose) : purpose;
    const reservation = await this.#mailer.reserve(kind, account.email);
    if (!reservation) return true;
    const token = await this.#links.create(account.id, purpose);
    const holder = await this.#accounts.findHolder(account);
    if (token === undefined) {
      await reservation.release();
      return false;
    }
    const content = holder
      ? addressAlreadyRegistered(holder.username)
      : this.#linkMail(purpose, token);
    this.#mailer.sendReserved({ to: holder?.email ?? account.email, ...content });
    return true;
  }

  /** Does the work of `sendLink` for an address without an account, and sends nothing. */
  async simulateLink(email: string, purpose: CurrentAddressPurpose): Promise<void> {
    const reservation = await this.#mailer.reserve(purpose, email);
    if (!reservation) return;
    await this.#links.simulateCreate(purpose);
    await this.#accounts.findHolder({ id: randomUUID(), email });
    this.#mailer.composeOnly({ to: email, ...this.#linkMail(purpose, makeOpaqueToken()) });
    // no mail is sent, so that the recipient's limit is unchanged
    await reservation.release();
  }

  #linkMail(purpose: LinkPurpose, token: string): MailContent {
    const url = `${this.#webUrl}${PAGES[purpose]}#token=${token}`;
    return LINK_MAILS[purpose]({ url, token });
  }

  /** Mails the account's address, unless it belongs to the owner of another account. */
  #notify(account: Account, content: MailContent): void {
    this.inBackground(async () => {
      if (await this.#accounts.findHolder(account)) return;
      this.#mailer.send({ to: account.email, ...content }, kindFor(account, "notice"));
    });
  }

  /** Mails a link that verifies the account's address. */
  verifyAddress(account: Account): void {
    this.inBackground(async () => void (await this.sendLink(account, "verify-email")));
  }

  passwordChanged(account: Account): void {
    this.#notify(account, passwordChanged);
  }

  secondFactorEnabled(account: Account): void {
    this.#notify(account, secondFactorEnabled);
  }

  recoveryCodesRenewed(account: Account): void {
    this.#notify(account, recoveryCodesRenewed);
  }

  secondFactorGuessed(account: Account): void {
    this.#notify(account, secondFactorGuessed);
  }

  /** Mails the former address, with a link that restores it if there is a token, and verifies the new one. */
  emailChanged({ before, after, restoreToken }: Omit<ChangedAccount, "isFactorRemoved">): void {
    if (before.email === after.email) return;
    this.#notify(
      before,
      restoreToken === undefined ? emailReplaced : this.#linkMail("restore-email", restoreToken),
    );
    this.verifyAddress(after);
  }

  emailRestored(account: Account): void {
    this.#notify(account, emailRestored);
  }

  /** Waits for the mails that are being sent, for at most `timeout` milliseconds. */
  async close(timeout: number): Promise<void> {
    await this.#background.idle(timeout);
    await this.#mailer.close(timeout);
  }
}
