import { Background } from "../../../lib/background.ts";
import type { Reservation } from "../../../lib/limits/counted-attempts.ts";
import type { MailKind, MailLimits } from "./mail-limits.ts";
import { type Mail, Mailer, type MailerOptions } from "./mailer.ts";

/** Sends mails in the background within the limits of each recipient. Mails beyond a limit are dropped silently. */
export class LimitedMailer {
  readonly #mailer: Mailer;
  readonly #limits: MailLimits;
  readonly #background: Background;

  constructor(options: MailerOptions, limits: MailLimits) {
    this.#mailer = new Mailer(options);
    this.#limits = limits;
    this.#background = new Background((error) =>
      options.log.error({ err: error }, "A mail was not sent: its limit could not be checked."),
    );
  }

  /** Sends a mail, unless its recipient has had too many of this kind. */
  send(mail: Mail, kind: MailKind): void {
    this.#background.run(async () => {
      if (await this.reserve(kind, mail.to)) this.#mailer.send(mail);
    });
  }

  /** Counts a mail before its text exists. @returns undefined if the recipient has had too many */
  async reserve(kind: MailKind, to: string): Promise<Reservation | undefined> {
    return this.#limits.reserveMail(kind, to);
  }

  /** Sends a mail that `reserve` has counted. */
  sendReserved(mail: Mail): void {
    this.#mailer.send(mail);
  }

  /** Composes a mail as `sendReserved` does, and does not send it. */
  composeOnly(mail: Mail): void {
    this.#mailer.composeOnly(mail);
  }

  /** Tries the waiting mails once more, for at most `timeout` milliseconds, and closes the connections. */
  async close(timeout: number): Promise<void> {
    await this.#background.idle(timeout);
    await this.#mailer.close(timeout);
  }
}
