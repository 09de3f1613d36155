import { randomUUID } from "node:crypto";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createTransport } from "nodemailer";
import { Background } from "../../../lib/background.ts";
import type { Config } from "../../../lib/config/config.ts";
import { rewrite } from "../../../lib/deployment/secrets.ts";
import { makePrivate } from "../../../lib/files/private-folder.ts";

export interface Mail {
  /** One address, not a list. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** As much of a logger as mail needs. */
export interface MailLog {
  info(text: string): void;
  warn(details: object, text: string): void;
  error(details: object, text: string): void;
}

export interface MailerOptions {
  /** `smtp://` or `smtps://`; without it mails become files. */
  smtpUrl: string | undefined;
  from: string;
  /** Where the files go. */
  folder: string;
  log: MailLog;
  /** How long to wait before each further attempt, in milliseconds. */
  delays?: readonly number[];
}

const DELAYS = [1_000, 10_000, 60_000];
/** How many mails may wait for their delivery. */
const CAPACITY = 1_000;

/** Where mails go as files. */
export const mailFolder = ({ dataDir }: Pick<Config, "dataDir">): string => join(dataDir, "mail");

/**
 * Delivers mails in the background: by SMTP, or as files that only their owner can read. Nobody waits for it; what
 * fails is logged, tried again a few times, and logged then; without what it says, since that may hold a link.
 */
export class Mailer {
  readonly #deliver: (mail: Mail) => Promise<unknown>;
  readonly #compose: (mail: Mail) => Promise<unknown>;
  readonly #disconnect: () => void;
  readonly #log: MailLog;
  readonly #delays: readonly number[];
  readonly #background: Background;
  readonly #closing = new AbortController();

  constructor({ smtpUrl, from, folder, log, delays = DELAYS }: MailerOptions) {
    const defaults = { from, headers: { "Auto-Submitted": "auto-generated" } };
    const transport = smtpUrl ? smtp(smtpUrl, defaults) : files(folder, defaults, log);
    this.#deliver = transport.deliver;
    const composer = createTransport({ streamTransport: true, buffer: true, ...CLOSED }, defaults);
    this.#compose = (mail) => composer.sendMail(toMessage(mail));
    this.#disconnect = transport.close;
    this.#log = log;
    this.#delays = delays;
    this.#background = new Background((error) =>
      log.error({ err: error }, "A mail could not be delivered."),
    );
  }

  send(mail: Mail): void {
    if (this.#background.size >= CAPACITY)
      return this.#log.error({}, "A mail was dropped: too many wait for their delivery.");
    this.#background.run(() => this.#insist(mail));
  }

  /** Composes a mail as `send` does and sends nothing, so that the work tells nothing. */
  rehearse(mail: Mail): void {
    if (this.#background.size < CAPACITY)
      this.#background.run(async () => void (await this.#compose(mail)));
  }

  /** Tries once more what waits, for at most `patience` milliseconds, and ends the connections. */
  async close(patience: number): Promise<void> {
    this.#closing.abort();
    await this.#background.idle(patience);
    this.#disconnect();
  }

  async #insist(mail: Mail): Promise<void> {
    for (const [attempt, wait] of this.#delays.entries()) {
      try {
        await this.#deliver(mail);
        return;
      } catch (error) {
        if (isPermanent(error)) throw error;
        if (attempt === 0)
          this.#log.warn({ err: error }, "A mail could not be delivered yet; it is tried again.");
        await delay(wait, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
    await this.#deliver(mail);
  }
}

/** Did the server refuse for good (RFC 5321, 4.2.1)? */
const isPermanent = (error: unknown) => (error as { permanent?: unknown }).permanent === true;

interface Defaults {
  from: string;
  headers: Record<string, string>;
}

/** What is never to be read or fetched for a mail. */
const CLOSED = { disableFileAccess: true, disableUrlAccess: true } as const;

/** In this form an address cannot be taken for a list of them. */
const toMessage = ({ to, ...content }: Mail) => ({ ...content, to: { name: "", address: to } });

function smtp(url: string, defaults: Defaults) {
  const transport = createTransport(
    {
      url,
      pool: true,
      connectionTimeout: 10_000,
      greetingTimeout: 10_000,
      socketTimeout: 30_000,
      ...CLOSED,
    },
    defaults,
  );
  return {
    deliver: (mail: Mail) => transport.sendMail(toMessage(mail)),
    close: () => transport.close({ force: true }),
  };
}

function files(folder: string, defaults: Defaults, log: MailLog) {
  const transport = createTransport({ streamTransport: true, buffer: true, ...CLOSED }, defaults);
  // up to 998 characters (RFC 5322, 2.1.1) a line stays as it is, so that a link can be copied from the file
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
      // with `buffer` it is no stream
      rewrite(file, (message as Buffer).toString());
      log.info(`A mail lies in ${file}`);
    },
    close: () => transport.close(),
  };
}

/**
 * What an operator should know before the first mail.
 *
 * @returns undefined: all is well
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
      `No mail can be delivered: SMTP_URL is not set, and ${folder} cannot be written ` +
      `(${(error as Error).message}). ` +
      "Set SMTP_URL, or DATA_DIR to a folder that can be written."
    );
  }
  if (!config.production) return undefined;
  return `SMTP_URL is not set: nobody gets mail, it lies in ${folder}. Set SMTP_URL.`;
}
