import { Background } from "../../../lib/background.ts";
import { Mailer, type MailerOptions, type Mail } from "./mailer.ts";
import type { Reservation } from "../../../lib/limits/counted-attempts.ts";
import type { MailKind, MailLimits } from "./mail-limits.ts";

/** Sends mails in the background, to one recipient so many of a kind; the others are dropped without a word. */
export class LimitedMailer {
  readonly #mailer: Mailer;
  readonly #limits: MailLimits;
  readonly #background: Background;

  constructor(options: MailerOptions, limits: MailLimits) {
    this.#mailer = new Mailer(options);
    this.#limits = limits;
    this.#background = new Background((error) =>
      options.log.error({ err: error }, "A mail could not be counted, and was not sent."),
    );
  }

  /** Sends a mail if its recipient has not had too many of this kind. */
  send(mail: Mail, kind: MailKind): void {
    this.#background.run(async () => {
      if (await this.reserve(kind, mail.to)) this.#mailer.send(mail);
    });
  }

  /** Counts a mail whose text is still to be made. @returns undefined: the recipient has had too many */
  async reserve(kind: MailKind, to: string): Promise<Reservation | undefined> {
    return this.#limits.reserveMail(kind, to);
  }

  /** Sends a mail that was counted by `reserve`. */
  sendReserved(mail: Mail): void {
    this.#mailer.send(mail);
  }

  /** Composes a mail as `sendReserved` does and sends nothing, so that the work tells nothing. */
  rehearse(mail: Mail): void {
    this.#mailer.rehearse(mail);
  }

  /** Tries once more what waits, for at most `timeout` milliseconds, and ends the connections. */
  async close(timeout: number): Promise<void> {
    await this.#background.idle(timeout);
    await this.#mailer.close(timeout);
  }
}
