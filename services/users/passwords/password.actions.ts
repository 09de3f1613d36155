import { CitadelError } from "../../../lib/errors/errors.ts";
import { SubjectType } from "../../../lib/tokens/subject-type.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { Account } from "../accounts/account.ts";
import { auditChange, partyOf } from "../accounts/account-audit.ts";
import { mustExist } from "../accounts/account-rules.ts";
import { changeAndEndSessions } from "../accounts/account-sessions.ts";
import type { Components, UsersActions } from "../components.ts";
import type { Period } from "../second-factor/second-factor.repository.ts";

/** The actions that change a password: with the current one, or with a mailed link. */
export function passwordActions(
  components: Components<
    "accounts" | "db" | "jobs" | "links" | "login" | "loginLimits" | "mailLimits" | "passwords"
  >,
): UsersActions<"changePassword" | "forgotPassword" | "resetPassword"> {
  return {
    changePassword: async (ctx) => {
      const { accounts, login, passwords } = components();
      const { sub: userId, sid: except } = ctx.locals.user;
      const { currentPassword, newPassword, otp } = ctx.params;
      const account = mustExist(await accounts.find(userId));
      await login.confirm(ctx, account, { password: currentPassword, otp });
      const passwordHash = await passwords.hash(newPassword, account, "newPassword");
      await changeAndEndSessions(ctx, { userId, except }, async () => {
        const changed = await accounts.change(userId, ({ password_hash }) => {
          // the password has changed since it was checked, perhaps because it was stolen
          if (password_hash !== account.password_hash) throw new CitadelError("InvalidCredentials");
          return { passwordHash };
        });
        auditChange(ctx, changed);
      });
    },

    forgotPassword: async (ctx) => {
      const { db, jobs, mailLimits } = components();
      const { client } = ctx.meta;
      if (!(await mailLimits.countLinkRequest(client))) return;
      // the job looks for the account: neither the response nor its time tells whether there is one
      const { email } = ctx.params;
      await db.transaction().execute((trx) => jobs.send(trx, "sendResetLink", { email, client }));
    },

    resetPassword: async (ctx) => {
      const { accounts, links, loginLimits, passwords } = components();
      const { token, newPassword } = ctx.params;
      const userId = await links.ownerOf(token, "reset-password");
      const owner = mustExist(await accounts.find(userId));
      const passwordHash = await passwords.hash(newPassword, owner, "newPassword");
      await changeAndEndSessions(ctx, { userId }, async () => {
        const { after, isFactorRemoved } = await links.use(token, "reset-password", (account) => ({
          passwordHash,
          // the person who set it up had not verified the address; staff keep theirs
          ...(account.subject_type === SubjectType.EndUserAccount && {
            removeFactorOf: unverifiedPeriod(account),
          }),
        }));
        const self = partyOf(after);
        audit(ctx, { event: "password.reset", actor: self, subject: self });
        if (isFactorRemoved)
          audit(ctx, { event: "second-factor.disabled", actor: self, subject: self });
      });
      await loginLimits.clear(userId, ctx.meta.client);
    },
  };
}

/** The period in which the account's owner had not verified its current address. */
const unverifiedPeriod = ({ email_since, email_verified_at }: Account): Period =>
  email_verified_at === null
    ? { since: new Date(0) }
    : { since: email_since, until: email_verified_at };
