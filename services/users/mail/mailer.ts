import { randomUUID } from "node:crypto";
import { access, constants } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as Nodemailer from "nodemailer";
import type { Config } from "../../../lib/config/config.ts";
import { rewrite } from "../../../lib/deployment/secrets.ts";
import { makePrivate } from "../../../lib/files/private-folder.ts";
import { FinalFailure } from "../../../lib/queue/failure.ts";

const require = createRequire(import.meta.url);

/** Loaded by the first mail, since it takes memory. */
const nodemailer = () => require("nodemailer") as typeof Nodemailer;

export interface Mail {
  /** One address, not a list. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface MailerOptions {
  /** `smtp://` or `smtps://`; without it mails are written to files. */
  smtpUrl: string | undefined;
  from: string;
  /** The folder of these files. */
  folder: string;
  log: { info(text: string): void };
}

/** The folder of the mails that are written to files. */
export const mailFolder = ({ dataDir }: Pick<Config, "dataDir">): string => join(dataDir, "mail");

/**
 * Delivers mails: by SMTP, or to files that only their owner can read. No error and no log line has a mail's text, which
 * may hold a link.
 */
export class Mailer {
  readonly #open: () => MailTransport;
  #opened: MailTransport | undefined;

  constructor({ smtpUrl, from, folder, log }: MailerOptions) {
    const defaults = { from, headers: { "Auto-Submitted": "auto-generated" } };
    this.#open = () => ({
      ...(smtpUrl ? smtp(smtpUrl, defaults) : files(folder, defaults, log)),
      compose: composer(defaults),
    });
  }

  get #transport(): MailTransport {
    return (this.#opened ??= this.#open());
  }

  /**
   * @throws FinalFailure if the mail server refuses the mail permanently (RFC 5321, 4.2.1); the error of a delivery that
   * may succeed later
   */
  async deliver(mail: Mail): Promise<void> {
    try {
      await this.#transport.deliver(mail);
    } catch (error) {
      throw isOfThisMail(error)
        ? new FinalFailure("The mail server refuses this mail.", { cause: error })
        : error;
    }
  }

  /** Composes a mail as `deliver` does, and does not send it. */
  async compose(mail: Mail): Promise<void> {
    await this.#transport.compose(mail);
  }

  /** Closes the connections to the mail server. */
  close(): void {
    this.#opened?.close();
  }
}

/** nodemailer's codes for a refused sender or recipient, and for a refused text. Wrong credentials have another one. */
const REFUSALS: ReadonlySet<unknown> = new Set(["EENVELOPE", "EMESSAGE"]);

function isOfThisMail(error: unknown): boolean {
  const { code, permanent } = error as { code?: unknown; permanent?: unknown };
  return permanent === true && REFUSALS.has(code);
}

interface MailTransport {
  deliver(mail: Mail): Promise<unknown>;
  /** Composes a mail without sending it. */
  compose(mail: Mail): Promise<unknown>;
  close(): void;
}

interface Defaults {
  from: string;
  headers: Record<string, string>;
}

/** Composing a mail never reads a file or fetches a URL. */
const NO_EXTERNAL_CONTENT = { disableFileAccess: true, disableUrlAccess: true } as const;

/** As an object, an address cannot be parsed as a list of addresses. */
const toMessage = ({ to, ...content }: Mail) => ({ ...content, to: { name: "", address: to } });

function composer(defaults: Defaults) {
  const transport = nodemailer().createTransport(
    { streamTransport: true, buffer: true, ...NO_EXTERNAL_CONTENT },
    defaults,
  );
  return (mail: Mail) => transport.sendMail(toMessage(mail));
}

function smtp(url: string, defaults: Defaults) {
  const transport = nodemailer().createTransport(
    {
      url,
      pool: true,
      connectionTimeout: 10_000,
      greetingTimeout: 10_000,
      socketTimeout: 30_000,
      ...NO_EXTERNAL_CONTENT,
    },
    defaults,
  );
  return {
    deliver: (mail: Mail) => transport.sendMail(toMessage(mail)),
    close: () => transport.close({ force: true }),
  };
}

function files(folder: string, defaults: Defaults, log: MailerOptions["log"]) {
  const transport = nodemailer().createTransport(
    { streamTransport: true, buffer: true, ...NO_EXTERNAL_CONTENT },
    defaults,
  );
  // lines of up to 998 characters (RFC 5322, 2.1.1) are not wrapped, so that a link can be copied from the file
  transport.use("stream", ({ message }, done) => {
    Object.assign(message, { _hasLongLines: false });
    done();
  });
  let count = 0;
  return {
    async deliver(mail: Mail) {
      const { message } = await transport.sendMail(toMessage(mail));
      const time = new Date().toISOString().replaceAll(":", "-");
      count += 1;
      const order = String(count).padStart(6, "0");
      const file = join(folder, `${time}-${order}-${randomUUID().slice(0, 8)}.eml`);
      // with `buffer: true` the message is a Buffer
      rewrite(file, (message as Buffer).toString());
      log.info(`A mail was written to ${file}`);
    },
    close: () => transport.close(),
  };
}

/**
 * A warning for the operator at the start if mails will not be delivered.
 *
 * @returns undefined if they will, and in development
 */
export async function mailWarning(
  config: Pick<Config, "production" | "smtpUrl" | "dataDir">,
): Promise<string | undefined> {
  if (config.smtpUrl) return undefined;
  const folder = mailFolder(config);
  try {
    makePrivate(folder);
    await access(folder, constants.W_OK);
  } catch (error) {
    return (
      `Mails cannot be delivered: SMTP_URL is not set, and ${folder} is not writable ` +
      `(${(error as Error).message}). ` +
      "Set SMTP_URL, or set DATA_DIR to a writable folder."
    );
  }
  if (!config.production) return undefined;
  return `Mails are not delivered: SMTP_URL is not set. They are written to ${folder}. Set SMTP_URL.`;
}
