import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import type { App } from "./app.ts";

export interface ReceivedMail {
  to: string;
  subject: string;
  text: string;
  /** What its link leads to, if it has one. */
  url: string | undefined;
  /** The token of its link. */
  token: string | undefined;
}

/** A mail as it was written. */
export function readMail(source: string): ReceivedMail {
  const [head = "", ...body] = source.split("\r\n\r\n");
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(head)?.[1]?.trim() ?? "";
  const text = body.join("\n\n").replaceAll("\r\n", "\n");
  const url = /https?:\S+/.exec(text)?.[0];
  const token = /#token=([\w-]+)$/.exec(url ?? "")?.[1];
  return { to: field("To"), subject: field("Subject"), text, url, token };
}

/** What was mailed to this address until now, oldest first. */
export function mailsTo(app: Pick<App, "env">, address: string): ReceivedMail[] {
  const folder = join(app.env.DATA_DIR!, "mail");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".eml"))
    .toSorted()
    .map((name) => readMail(readFileSync(join(folder, name), "utf8")))
    .filter(({ to }) => to === address);
}

/** The mail with this subject to this address, of several the `count`-th, as soon as it is there. */
export const mailTo = (
  app: Pick<App, "env">,
  address: string,
  subject: RegExp,
  count = 1,
): Promise<ReceivedMail> =>
  vi.waitFor(
    () => {
      const mail = mailsTo(app, address).filter((one) => subject.test(one.subject))[count - 1];
      if (!mail) throw new Error(`No mail to ${address} is ${subject}.`);
      return mail;
    },
    { timeout: 10_000, interval: 20 },
  );
