import { randomUUID } from "node:crypto";
import { Background } from "../../../lib/background.ts";
import type { Config } from "../../../lib/config/config.ts";
import { type Mail, mailFolder, type MailLog } from "./mailer.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { LimitedMailer } from "./limited-mailer.ts";
import type { LinkPurpose, MailedLink } from "./links.repository.ts";
import type { MailKind, MailLimits } from "./mail-limits.ts";
import {
  addressClaimed,
  codesGuessed,
  emailReplaced,
  emailRestored,
  LINK_MAILS,
  passwordChanged,
  recoveryCodesRenewed,
  secondFactorEnabled,
} from "./mail-texts.ts";
import type { Account, Changed, UsersRepository } from "../users.repository.ts";

/** The pages of the web client that take a link's token, in the fragment: it gets into no server's log. */
const PAGES: Readonly<Record<LinkPurpose, string>> = {
  "reset-password": "/reset-password",
  "verify-email": "/verify-email",
  "restore-email": "/restore-email",
};

/** Mails to an address that its account has not verified count apart: anybody can cause them. */
const kindFor = ({ email_verified_at }: Account, kind: MailKind): MailKind =>
  email_verified_at === null ? "unverified" : kind;

/** Mails about accounts, none of which a request waits for. */
export class AccountMails {
  readonly #accounts: UsersRepository;
  readonly #webUrl: string;
  readonly #mailer: LimitedMailer;
  readonly #background: Background;

  constructor(config: Config, accounts: UsersRepository, log: MailLog, limits: MailLimits) {
    const { smtpUrl, mailFrom: from, webUrl } = config;
    this.#accounts = accounts;
    this.#webUrl = webUrl;
    this.#mailer = new LimitedMailer({ smtpUrl, from, folder: mailFolder(config), log }, limits);
    this.#background = new Background((error) =>
      log.error({ err: error }, "A mail could not be written."),
    );
  }

  /** Does in the background what ends in a mail, or does not: whoever asked cannot tell. */
  inBackground(work: () => Promise<void>): void {
    this.#background.run(work);
  }

  /**
   * Makes a link and mails it, unless the recipient has had too many: nobody can tell, and an older link still works
   * then. Where the address is another account's, its owner is told instead, after the same work: nobody can verify
   * it, and whoever asked cannot tell.
   *
   * @returns false where the account has had too many links in this hour
   */
  async sendLink(account: Account, purpose: MailedLink): Promise<boolean> {
    const isReset = purpose === "reset-password";
    const kind = isReset ? kindFor(account, purpose) : purpose;
    const reservation = await this.#mailer.reserve(kind, account.email);
    if (!reservation) return true;
    const token = await this.#accounts.makeLink(account.id, purpose);
    const holder = await this.#accounts.findHolder(account);
    if (token === undefined) {
      await reservation.release();
      return false;
    }
    const mail = holder ? addressClaimed(holder.username) : this.#linkMail(purpose, token);
    this.#mailer.sendReserved({ to: holder?.email ?? account.email, ...mail });
    return true;
  }

  /** Does the work of `sendLink` for an address that nobody has, and sends nothing. */
  async rehearseLink(email: string, purpose: MailedLink): Promise<void> {
    const reservation = await this.#mailer.reserve(purpose, email);
    if (!reservation) return;
    await this.#accounts.rehearseLink(purpose);
    await this.#accounts.findHolder({ id: randomUUID(), email });
    this.#mailer.rehearse({ to: email, ...this.#linkMail(purpose, makeOpaqueToken()) });
    // nothing is sent, so nothing counts against the recipient
    await reservation.release();
  }

  #linkMail(purpose: LinkPurpose, token: string): Omit<Mail, "to"> {
    const url = `${this.#webUrl}${PAGES[purpose]}#token=${token}`;
    return LINK_MAILS[purpose]({ url, token });
  }

  /** Mails an account's owner, unless the address is another account's: its owner has nothing to do with this one. */
  #tell(account: Account, content: Omit<Mail, "to">): void {
    this.inBackground(async () => {
      if (await this.#accounts.findHolder(account)) return;
      this.#mailer.send({ to: account.email, ...content }, kindFor(account, "notice"));
    });
  }

  /** Asks whether the account's address is its owner's. */
  verify(account: Account): void {
    this.inBackground(async () => void (await this.sendLink(account, "verify-email")));
  }

  passwordChanged(account: Account): void {
    this.#tell(account, passwordChanged);
  }

  secondFactorEnabled(account: Account): void {
    this.#tell(account, secondFactorEnabled);
  }

  recoveryCodesRenewed(account: Account): void {
    this.#tell(account, recoveryCodesRenewed);
  }

  codesGuessed(account: Account): void {
    this.#tell(account, codesGuessed);
  }

  /** Tells the old address, which can undo it where there is a token for that, and asks at the new one. */
  emailChanged({ before, after, restoringToken: token }: Omit<Changed, "isFactorEnded">): void {
    if (before.email === after.email) return;
    this.#tell(
      before,
      token === undefined ? emailReplaced : this.#linkMail("restore-email", token),
    );
    this.verify(after);
  }

  emailRestored(account: Account): void {
    this.#tell(account, emailRestored);
  }

  /** Waits for what is under way, for at most `patience` milliseconds. */
  async close(patience: number): Promise<void> {
    await this.#background.idle(patience);
    await this.#mailer.close(patience);
  }
}
