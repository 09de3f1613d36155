import { Background } from "../../lib/background.ts";
import type { Config } from "../../lib/config.ts";
import { Mailer, mailFolder, type MailLog } from "../../lib/mailer.ts";
import type { LinkPurpose } from "./links.repository.ts";
import {
  addressRestored,
  emailChanged,
  emailReplaced,
  LINK_MAILS,
  passwordChanged,
  recoveryCodesRenewed,
  secondFactorEnabled,
} from "./mails.ts";
import { recoveryAddressOf } from "./recovery-address.ts";
import type { Account, Changed, UsersRepository } from "./users.repository.ts";

/** The pages of the web client that take a link's token, in the fragment: it gets into no server's log. */
const PAGES: Readonly<Record<LinkPurpose, string>> = {
  "reset-password": "/reset-password",
  "verify-email": "/verify-email",
};

/** Mails about accounts, none of which a request waits for. */
export class AccountMails {
  readonly #accounts: UsersRepository;
  readonly #webUrl: string;
  readonly #mailer: Mailer;
  readonly #background: Background;

  constructor(config: Config, accounts: UsersRepository, log: MailLog) {
    const { smtpUrl, mailFrom: from, webUrl } = config;
    this.#accounts = accounts;
    this.#webUrl = webUrl;
    this.#mailer = new Mailer({ smtpUrl, from, folder: mailFolder(config), log });
    this.#background = new Background((error) =>
      log.error({ err: error }, "A mail could not be written."),
    );
  }

  /** Does in the background what ends in a mail, or does not: whoever asked cannot tell. */
  inBackground(work: () => Promise<void>): void {
    this.#background.run(work);
  }

  /**
   * Makes a link and mails it.
   *
   * @returns was it? An account gets but a few of them in an hour
   */
  async sendLink(account: Account, purpose: LinkPurpose): Promise<boolean> {
    const link = await this.#accounts.makeLink(account.id, purpose);
    if (!link) return false;
    const { token, to } = link;
    const url = `${this.#webUrl}${PAGES[purpose]}#token=${token}`;
    this.#mailer.send({ to, ...LINK_MAILS[purpose]({ url, token }) });
    return true;
  }

  /** Asks whether the account's address is its owner's. */
  verify(account: Account): void {
    this.inBackground(async () => void (await this.sendLink(account, "verify-email")));
  }

  passwordChanged(account: Account): void {
    this.#mailer.send({ to: recoveryAddressOf(account), ...passwordChanged });
  }

  /** Tells of a password that was set by a link, which may have given the account its old address back. */
  passwordReset({ before, after }: Changed): void {
    if (before.email === after.email) this.passwordChanged(after);
    else this.#mailer.send({ to: after.email, ...addressRestored });
  }

  secondFactorEnabled(account: Account): void {
    this.#mailer.send({ to: recoveryAddressOf(account), ...secondFactorEnabled });
  }

  recoveryCodesRenewed(account: Account): void {
    this.#mailer.send({ to: recoveryAddressOf(account), ...recoveryCodesRenewed });
  }

  /** Tells who can still set the password, or could, and asks at the new one, if there is a new one. */
  emailChanged({ before, after }: Changed): void {
    if (before.email === after.email) return;
    const to = recoveryAddressOf(before);
    const isWayBack = recoveryAddressOf(after) === to;
    this.#mailer.send({ to, ...(isWayBack ? emailChanged : emailReplaced) });
    this.verify(after);
  }

  /** Waits for what is under way, for at most `patience` milliseconds. */
  async close(patience: number): Promise<void> {
    await this.#background.idle(patience);
    await this.#mailer.close(patience);
  }
}
