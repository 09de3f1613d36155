import { randomUUID } from "node:crypto";
import type { Handlers } from "../../../lib/contract/handlers.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Passwords } from "./passwords.ts";
import { audit } from "../../../middlewares/audit.ts";
import { found, unproved } from "../accounts/account-rules.ts";
import { endingSessions, partyOf, tell } from "../accounts/account-reports.ts";
import type { AccountMails } from "../mail/account-mails.ts";
import type { LoginLimits } from "../login/login-limits.ts";
import type { MailLimits } from "../mail/mail-limits.ts";
import type { Login } from "../login/login.ts";
import type { contract } from "../users.contract.ts";
import type { UsersRepository } from "../users.repository.ts";

/** What the actions need; it is there once the service has started. */
interface Parts {
  readonly accounts: UsersRepository;
  readonly mails: AccountMails;
  readonly mailLimits: MailLimits;
  readonly limits: LoginLimits;
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
      const { currentPassword, newPassword, otp } = ctx.params;
      const account = found(await accounts.find(userId));
      await login.confirm(ctx, account, { password: currentPassword, otp });
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
      // neither the response nor the work behind it tells whether there is an account
      mails.inBackground(async () => {
        const { email } = ctx.params;
        const account = await accounts.findByEmail(email);
        // whoever reads the mail of an address that an account has just been moved to must not get it
        const isMoving = await accounts.isMoving(account?.id ?? randomUUID());
        const isSent = account && !isMoving && (await mails.sendLink(account, "reset-password"));
        if (!isSent) await mails.rehearseLink(email, "reset-password");
        const subject = account ? partyOf(account) : {};
        audit(ctx, { event: "password.forgotten", actor: {}, subject });
      });
    },

    resetPassword: async (ctx) => {
      const { accounts, limits, mails, passwords } = parts();
      const { token, newPassword } = ctx.params;
      const userId = await accounts.ownerOfLink(token, "reset-password");
      const owner = found(await accounts.find(userId));
      const passwordHash = await passwords.hash(newPassword, owner, "newPassword");
      await endingSessions(ctx, { userId }, async () => {
        const { after, isFactorEnded } = await accounts.changeByLink(
          token,
          "reset-password",
          (account) => ({
            passwordHash,
            // whoever set it up had not proved the address; staff were appointed, and keep theirs
            ...(account.subject_type === "EndUserAccount" && { endsFactor: unproved(account) }),
          }),
        );
        const self = partyOf(after);
        audit(ctx, { event: "password.reset", actor: self, subject: self });
        if (isFactorEnded)
          audit(ctx, { event: "second-factor.disabled", actor: self, subject: self });
        mails.passwordChanged(after);
      });
      await limits.welcome(userId, ctx.meta.client);
    },
  };
}
