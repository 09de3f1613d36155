import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import type { App } from "./app.ts";

/** The subjects of the mails to account owners. */
export const SUBJECTS = {
  alreadyRegistered: /^You already have an account$/,
  emailChanged: /^Your e-mail address was changed$/,
  emailRestored: /^Your e-mail address was restored$/,
  passwordChanged: /^Your password was changed$/,
  recoveryCodesRenewed: /^Your recovery codes were renewed$/,
  resetPassword: /^Set a new password$/,
  secondFactorEnabled: /^Two-factor authentication was enabled$/,
  secondFactorGuessed: /^Another person may know your password$/,
  verifyEmail: /^Please verify your e-mail address$/,
} as const;

export interface ReceivedMail {
  to: string;
  subject: string;
  text: string;
  /** The URL of its link, if it has one. */
  url: string | undefined;
  /** The token of its link. */
  token: string | undefined;
}

/** Parses the source of a mail. */
export function readMail(source: string): ReceivedMail {
  const [head = "", ...body] = source.split("\r\n\r\n");
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(head)?.[1]?.trim() ?? "";
  const text = body.join("\n\n").replaceAll("\r\n", "\n");
  const url = /https?:\S+/.exec(text)?.[0];
  const token = /#token=([\w-]+)$/.exec(url ?? "")?.[1];
  return { to: field("To"), subject: field("Subject"), text, url, token };
}

/** The mails to an address until now, the oldest first. */
export function mailsTo(
  app: Pick<App, "env">,
  address: string,
  subject: RegExp = /./,
): ReceivedMail[] {
  const folder = join(app.env.DATA_DIR!, "mail");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".eml"))
    .toSorted()
    .map((name) => readMail(readFileSync(join(folder, name), "utf8")))
    .filter((mail) => mail.to === address && subject.test(mail.subject));
}

/** Waits for a mail with this subject to an address: the first one, or the `count`th. */
export const mailTo = (
  app: Pick<App, "env">,
  address: string,
  subject: RegExp,
  count = 1,
): Promise<ReceivedMail> =>
  vi.waitFor(
    () => {
      const mail = mailsTo(app, address, subject)[count - 1];
      if (!mail) throw new Error(`No mail to ${address} has the subject ${subject}.`);
      return mail;
    },
    { timeout: 10_000, interval: 20 },
  );
