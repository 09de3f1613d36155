import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadConfig } from "../../lib/config.ts";
import { AccountMails } from "../../services/users/account-mails.ts";
import type { Account } from "../../services/users/users.repository.ts";
import { mailsTo } from "../helpers/mail.ts";

const account = {
  email: "thief@example.com",
  email_verified_at: null,
  recovery_email: "alice@example.com",
  recovery_until: new Date(Date.now() + 60_000),
} as Account;

it.each([
  ["secondFactorEnabled", /has a second factor/],
  ["recoveryCodesRenewed", /recovery codes were renewed/],
] as const)(
  "%s is told where links go that set a password, and nowhere else",
  async (event, subject) => {
    const env = { DATA_DIR: mkdtempSync(join(tmpdir(), "citadel-mail-")) };
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const mails = new AccountMails(loadConfig(env, ["users"]), undefined as never, log);
    mails[event](account);
    await mails.close(5_000);
    expect(mailsTo({ env }, account.recovery_email!)).toMatchObject([
      { subject: expect.stringMatching(subject), url: undefined },
    ]);
    expect(mailsTo({ env }, account.email)).toEqual([]);
  },
);
