import type { Handlers } from "../../lib/contract.ts";
import { CitadelError } from "../../lib/errors.ts";
import type { Passwords } from "../../lib/passwords/passwords.ts";
import { audit } from "../../middlewares/audit.ts";
import { endingSessions, partyOf, tell } from "./account-changes.ts";
import type { AccountMails } from "./account-mails.ts";
import type { MailLimits } from "./mail-limits.ts";
import type { Login } from "./login.ts";
import type { contract } from "./users.contract.ts";
import { found, type UsersRepository } from "./users.repository.ts";

/** What the actions need; it is there once the service has started. */
interface Parts {
  readonly accounts: UsersRepository;
  readonly mails: AccountMails;
  readonly mailLimits: MailLimits;
  readonly login: Login;
  readonly passwords: Passwords;
}

/** How a password is changed: by who knows it, or by who reads what comes to the address. */
export function passwordActions(
  parts: () => Parts,
): Pick<
  Handlers<typeof contract>["actions"],
  "changePassword" | "forgotPassword" | "resetPassword"
> {
  return {
    changePassword: async (ctx) => {
      const { accounts, mails, login, passwords } = parts();
      const { sub: userId, sid: except } = ctx.locals.user;
      const { currentPassword, newPassword } = ctx.params;
      const account = found(await accounts.find(userId));
      await login.confirmPassword(ctx, account, currentPassword);
      const passwordHash = await passwords.hash(newPassword, account, "newPassword");
      await endingSessions(ctx, { userId, except }, async () => {
        const changed = await accounts.change(userId, ({ password_hash }) => {
          // it was set anew meanwhile, perhaps to keep out who asks here
          if (password_hash !== account.password_hash) throw new CitadelError("InvalidCredentials");
          return { passwordHash };
        });
        tell(ctx, mails, changed);
      });
    },

    forgotPassword: async (ctx) => {
      const { accounts, mails, mailLimits } = parts();
      if (!(await mailLimits.allowsLink(ctx.meta.client))) return;
      // the answer and its time say nothing of whether there is an account
      mails.inBackground(async () => {
        const account = await accounts.findByEmail(ctx.params.email);
        if (!account || !(await mails.sendLink(account, "reset-password"))) return;
        audit(ctx, { event: "password.forgotten", actor: {}, subject: partyOf(account) });
      });
    },

    resetPassword: async (ctx) => {
      const { accounts, mails, passwords } = parts();
      const { token, newPassword } = ctx.params;
      const userId = await accounts.ownerOfLink(token, "reset-password");
      const owner = found(await accounts.find(userId));
      const passwordHash = await passwords.hash(newPassword, owner, "newPassword");
      await endingSessions(ctx, { userId }, async () => {
        const { before, after } = await accounts.changeByLink(token, "reset-password", (email) => ({
          passwordHash,
          // who has the link reads what comes to the address that it was mailed to, which is the
          // account's own again if somebody has moved it
          ...(email !== undefined && { email, emailVerified: true, endsRecovery: true }),
        }));
        const self = partyOf(after);
        audit(ctx, { event: "password.reset", actor: self, subject: self });
        if (before.email !== after.email) {
          const data = { fields: ["email"] };
          audit(ctx, { event: "account.changed", actor: self, subject: self, data });
        }
        mails.passwordReset({ before, after });
      });
    },
  };
}
