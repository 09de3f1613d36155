import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SMTPServerOptions } from "smtp-server";
import { afterEach, describe, expect, it } from "vitest";
import { reasonOf } from "../../../lib/queue/failure.ts";
import { Mailer, mailWarning } from "../../../services/users/mail/mailer.ts";
import { readMail } from "../../helpers/mail.ts";
import { freePort } from "../../helpers/servers.ts";
import { startSmtpServer } from "../../helpers/smtp.ts";

const LINK = `http://localhost:3000/reset-password#token=${"x".repeat(60)}`;
const MAIL = { to: '"a,b"@example.com', subject: "Hi", text: `There:\n\n${LINK}\n` };

describe("a mail", () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  async function serve(options?: SMTPServerOptions) {
    const server = await startSmtpServer(0, options);
    cleanups.push(server.stop);
    return server;
  }

  function makeMailer(smtpUrl: string | undefined) {
    const logged: string[] = [];
    const folder = join(mkdtempSync(join(tmpdir(), "citadel-mail-")), "mail");
    const from = "Citadel <no-reply@example.com>";
    const log = { info: (text: string) => void logged.push(text) };
    const mailer = new Mailer({ smtpUrl, from, folder, log });
    cleanups.push(() => mailer.close());
    return { mailer, logged, folder };
  }

  /** The error of a delivery to a server that responds like this to the recipient. */
  async function refusal(responseCode: number): Promise<unknown> {
    const { port } = await serve({
      disabledCommands: ["STARTTLS"],
      onRcptTo: (_address, _session, done) =>
        done(Object.assign(new Error("no"), { responseCode })),
    });
    return makeMailer(`smtp://127.0.0.1:${port}`)
      .mailer.deliver(MAIL)
      .catch((error) => error);
  }

  it("is sent to the server of SMTP_URL, to one address even if that contains a comma", async () => {
    const { port, received } = await serve();
    const { mailer } = makeMailer(`smtp://127.0.0.1:${port}`);
    await mailer.deliver(MAIL);
    expect(received).toHaveLength(1);
    const [{ to, source } = { to: [], source: "" }] = received;
    expect(to).toEqual([MAIL.to]);
    expect(source).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(source).toMatch(/^From: Citadel <no-reply@example.com>\r$/m);
  });

  it("is encrypted if the server offers TLS, and not sent if its certificate is invalid", async () => {
    const { port, received } = await serve({});
    const unchecked = makeMailer(`smtp://127.0.0.1:${port}?tls.rejectUnauthorized=false`);
    const checked = makeMailer(`smtp://127.0.0.1:${port}`);
    await unchecked.mailer.deliver(MAIL);
    expect(received).toMatchObject([{ isSecure: true }]);
    await expect(checked.mailer.deliver(MAIL)).rejects.toThrow(/certificate/);
    expect(received).toHaveLength(1);
  });

  it("that the server refuses for now fails and may be tried again", async () => {
    expect(reasonOf(await refusal(450))).not.toHaveProperty("isFinal");
  });

  it("that the server refuses permanently fails for good", async () => {
    const reason = reasonOf(await refusal(550));
    expect(reason).toEqual({
      type: "FinalFailure",
      message: "The mail server refuses this mail.",
      isFinal: true,
    });
  });

  it("fails, and may be tried again, if the server refuses the password", async () => {
    const { port } = await serve({
      disabledCommands: ["STARTTLS"],
      onAuth: (_auth, _session, done) => done(new Error("no")),
    });
    const { mailer } = makeMailer(`smtp://user:password@127.0.0.1:${port}`);
    const error = await mailer.deliver(MAIL).catch((thrown: unknown) => thrown);
    expect(reasonOf(error)).toEqual({ type: "Error", code: "EAUTH" });
  });

  it("that cannot be delivered fails with an error that lacks its text", async () => {
    const { mailer, logged } = makeMailer(`smtp://127.0.0.1:${await freePort()}`);
    const error = await mailer.deliver(MAIL).catch((thrown: unknown) => thrown);
    expect(reasonOf(error)).toEqual({ type: "Error", code: "ESOCKET" });
    expect(JSON.stringify(error) + String(error) + logged.join()).not.toMatch(/xxx|There/);
  });

  it("is written to a private file without SMTP_URL, in order and with unbroken links", async () => {
    const { mailer, logged, folder } = makeMailer(undefined);
    for (const subject of ["1", "2", "3"]) await mailer.deliver({ ...MAIL, subject });
    const names = readdirSync(folder).toSorted();
    const mails = names.map((name) => readMail(readFileSync(join(folder, name), "utf8")));
    expect(mails.map(({ subject }) => subject)).toEqual(["1", "2", "3"]);
    expect(mails[0]).toMatchObject({ url: LINK, text: MAIL.text });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(logged).toEqual(names.map((name) => `A mail was written to ${join(folder, name)}`));
  });

  it("causes a warning at the start if it would not be delivered", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "citadel-mail-"));
    const production = { production: true, smtpUrl: undefined, dataDir };
    expect(await mailWarning({ ...production, production: false })).toBeUndefined();
    expect(await mailWarning({ ...production, smtpUrl: "smtp://mail" })).toBeUndefined();
    expect(await mailWarning(production)).toMatch(/Mails are not delivered.*Set SMTP_URL/);
    const file = join(dataDir, "a file");
    writeFileSync(file, "");
    chmodSync(file, 0o400);
    expect(await mailWarning({ ...production, dataDir: file })).toMatch(/is not writable/);
  });
});
