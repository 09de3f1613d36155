import { once } from "node:events";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterEach, describe, expect, it } from "vitest";
import { Mailer, mailWarning } from "../../../services/users/mail/mailer.ts";
import { readMail } from "../../helpers/mail.ts";
import { freePort } from "../../helpers/servers.ts";

const LINK = `http://localhost:3000/reset-password#token=${"x".repeat(60)}`;
const MAIL = { to: '"a,b"@example.com', subject: "Hi", text: `There:\n\n${LINK}\n` };

describe("a mail", () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  interface Received {
    to: string[];
    isSecure: boolean;
    source: string;
  }

  /** Starts an SMTP server that records the mails it receives. */
  async function serve(port = 0, options: SMTPServerOptions = { disabledCommands: ["STARTTLS"] }) {
    const received: Received[] = [];
    const server = new SMTPServer({
      authOptional: true,
      logger: false,
      closeTimeout: 100,
      ...options,
      onData(stream, session, done) {
        const chunks: Buffer[] = [];
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("end", () => {
          const to = session.envelope.rcptTo.map(({ address }) => address);
          const source = Buffer.concat(chunks).toString();
          received.push({ to, isSecure: session.secure, source });
          done();
        });
      },
    });
    server.on("error", () => undefined);
    await once(server.listen(port, "127.0.0.1"), "listening");
    cleanups.push(() => new Promise<void>((resolve) => server.close(resolve)));
    const { port: bound } = server.server.address() as AddressInfo;
    return { port: bound, received };
  }

  function makeMailer(smtpUrl: string | undefined, delays: number[] = []) {
    const logged: string[] = [];
    const folder = join(mkdtempSync(join(tmpdir(), "citadel-mail-")), "mail");
    const mailer = new Mailer({
      smtpUrl,
      from: "Citadel <no-reply@example.com>",
      folder,
      delays,
      log: {
        info: (text) => logged.push(text),
        warn: (details, text) => logged.push(`${text} ${JSON.stringify(details)}`),
        error: (details, text) => logged.push(`${text} ${JSON.stringify(details)}`),
      },
    });
    cleanups.push(() => mailer.close(1_000));
    return { mailer, logged, folder };
  }

  it("is sent to the server of SMTP_URL, to one address even if that contains a comma", async () => {
    const { port, received } = await serve();
    const { mailer } = makeMailer(`smtp://127.0.0.1:${port}`);
    mailer.send(MAIL);
    await expect.poll(() => received).toHaveLength(1);
    const [{ to, source } = { to: [], source: "" }] = received;
    expect(to).toEqual([MAIL.to]);
    expect(source).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(source).toMatch(/^From: Citadel <no-reply@example.com>\r$/m);
  });

  it("is encrypted if the server offers TLS, and not sent if its certificate is invalid", async () => {
    const { port, received } = await serve(0, {});
    const unchecked = makeMailer(`smtp://127.0.0.1:${port}?tls.rejectUnauthorized=false`);
    const checked = makeMailer(`smtp://127.0.0.1:${port}`);
    unchecked.mailer.send(MAIL);
    await expect.poll(() => received).toMatchObject([{ isSecure: true }]);
    checked.mailer.send(MAIL);
    await expect.poll(() => checked.logged).toHaveLength(1);
    expect(received).toHaveLength(1);
  });

  it("is retried while the server is unreachable, which is logged once", async () => {
    const port = await freePort();
    const { mailer, logged } = makeMailer(`smtp://127.0.0.1:${port}`, Array(100).fill(50));
    mailer.send(MAIL);
    await expect.poll(() => logged).toHaveLength(1);
    const { received } = await serve(port);
    await expect.poll(() => received).toHaveLength(1);
    // once, however many retries there were
    expect(logged).toEqual([expect.stringMatching(/could not be delivered yet/)]);
  });

  it("that cannot be delivered is logged without its text", async () => {
    const { mailer, logged } = makeMailer(`smtp://127.0.0.1:${await freePort()}`, [1, 1]);
    mailer.send(MAIL);
    await expect
      .poll(() => logged)
      .toEqual([
        expect.stringMatching(/could not be delivered yet/),
        expect.stringMatching(/could not be delivered\./),
      ]);
    expect(logged.join()).not.toMatch(/xxx|There|example/);
  });

  it("that the server refuses permanently is not retried", async () => {
    let attempts = 0;
    const { port } = await serve(0, {
      disabledCommands: ["STARTTLS"],
      onRcptTo(_address, _session, done) {
        attempts += 1;
        done(Object.assign(new Error("no such mailbox"), { responseCode: 550 }));
      },
    });
    const { mailer, logged } = makeMailer(`smtp://127.0.0.1:${port}`, [1, 1, 1]);
    mailer.send(MAIL);
    await expect.poll(() => logged).toHaveLength(1);
    expect(attempts).toBe(1);
  });

  it("is tried once more when the node stops", async () => {
    const port = await freePort();
    const { mailer } = makeMailer(`smtp://127.0.0.1:${port}`, [3_600_000]);
    mailer.send(MAIL);
    const { received } = await serve(port);
    await mailer.close(5_000);
    expect(received).toHaveLength(1);
  });

  it("is written to a private file without SMTP_URL, in order and with unbroken links", async () => {
    const { mailer, logged, folder } = makeMailer(undefined);
    for (const subject of ["1", "2", "3"]) mailer.send({ ...MAIL, subject });
    await mailer.close(5_000);
    const names = readdirSync(folder).toSorted();
    const mails = names.map((name) => readMail(readFileSync(join(folder, name), "utf8")));
    expect(mails.map(({ subject }) => subject)).toEqual(["1", "2", "3"]);
    expect(mails[0]).toMatchObject({ url: LINK, text: MAIL.text });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    expect(logged.toSorted()).toEqual(
      names.map((name) => `A mail was written to ${join(folder, name)}`),
    );
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
