import { sql } from "kysely";
import { afterEach, describe, expect, it, vi } from "vitest";
import UsersService from "../../../services/users/users.service.ts";
import { application, type User } from "../../fixtures/application.ts";
import {
  changeEmail,
  emailOf,
  forgotPassword,
  NEW_PASSWORD,
  verifyEmail,
} from "../../helpers/accounts.ts";
import { isMissing } from "../../helpers/app.ts";
import { PASSWORD, request } from "../../helpers/http.ts";
import { readMail } from "../../helpers/mail.ts";
import { freePort } from "../../helpers/servers.ts";
import { startSmtpServer } from "../../helpers/smtp.ts";

interface JobRow {
  id: string;
  name: string;
  state: string;
  data: unknown;
  output: unknown;
}

describe.skipIf(isMissing)("The jobs that send mails", () => {
  let port = 0;
  const app = application(async () => {
    port = await freePort();
    return { SMTP_URL: `smtp://127.0.0.1:${port}` };
  });
  const users = () => app.instance(UsersService);
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  /** The jobs whose data contain this text. */
  const jobsWith = async (text: string) => {
    const { rows } = await sql<JobRow>`
      select id, name, state, data, output from users.job
      where name like 'jobs/%' and data::text like ${`%${text}%`} order by created_on`.execute(
      users().db,
    );
    return rows;
  };

  /** The id of the account's link that verifies its address. */
  const linkOf = async ({ id }: Pick<User, "id">) => {
    const { id: link } = await users()
      .db.selectFrom("links")
      .select("id")
      .where("account_id", "=", id)
      .where("purpose", "=", "verify-email")
      .executeTakeFirstOrThrow();
    return link;
  };

  /** Runs jobs that wait for their next attempt. */
  const retryNow = async () => {
    await sql`update users.job set start_after = now() where state = 'retry'`.execute(users().db);
    (users() as unknown as { queue: { wakeAll(): void } }).queue.wakeAll();
  };

  it("mail a link once the mail server works again, once, with a token that works", async () => {
    const alice = await app.register();
    const link = await linkOf(alice);
    await expect.poll(() => jobsWith(link)).toMatchObject([{ state: "retry" }]);
    const server = await startSmtpServer(port);
    cleanups.push(server.stop);
    await vi.waitFor(
      async () => {
        await retryNow();
        expect(await jobsWith(link)).toEqual([]);
      },
      { timeout: 10_000, interval: 100 },
    );
    const mails = server.received.filter(({ to }) => to.includes(emailOf(alice)));
    expect(mails).toHaveLength(1);
    // long lines are in quoted-printable (RFC 2045, 6.7)
    const source = mails[0]!.source.replaceAll("=\r\n", "").replaceAll("=3D", "=");
    const { token } = readMail(source);
    expect((await verifyEmail(app, token)).status).toBe(204);
    // a job that runs again, since its node died before it was done
    await users().mails.sendLink(link);
    expect(server.received.filter(({ to }) => to.includes(emailOf(alice)))).toHaveLength(1);
  });

  it("hold no token and no text, whatever state they are in", async () => {
    const alice = await app.register();
    await forgotPassword(app, emailOf(alice));
    await changeEmail(app, alice, `moved-${emailOf(alice)}`);
    const body = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    await request(app, "POST /api/auth/password", { token: alice.token, body });
    await expect.poll(() => jobsWith("password-changed")).toMatchObject([{ state: "retry" }]);
    // the response to a request for a reset link does not wait for it
    await expect
      .poll(async () => new Set((await jobsWith("")).map(({ name }) => name)))
      .toEqual(new Set(["jobs/sendLink", "jobs/sendNotice", "jobs/sendResetLink"]));
    const rows = await jobsWith("");
    for (const { data, output } of rows) {
      const text = JSON.stringify([data, output]);
      // a token has 256 bits in base64url
      expect(text).not.toMatch(/[\w-]{43}/);
    }
  });

  it("are rolled back with the account", async () => {
    const { jobs } = users();
    const { send } = jobs;
    const failing = vi.spyOn(jobs, "send").mockImplementationOnce(async (...given) => {
      await send(...given);
      throw new Error("the node dies");
    });
    const idsOf = (rows: JobRow[]) => rows.map(({ id }) => id).toSorted();
    const before = idsOf(await jobsWith(""));
    const username = "never-registered";
    const { status } = await request(app, "POST /api/auth/register", {
      body: { username, email: `${username}@example.com`, password: PASSWORD },
    });
    expect(failing).toHaveBeenCalledTimes(1);
    failing.mockRestore();
    expect(status).toBe(500);
    expect(await users().accounts.findByLogin(username)).toBeUndefined();
    expect(idsOf(await jobsWith(""))).toEqual(before);
  });
});
