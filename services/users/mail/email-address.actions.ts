import type { Handlers } from "../../../lib/contract/handlers.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { audit } from "../../../middlewares/audit.ts";
import { found } from "../accounts/account-rules.ts";
import { endingSessions, partyOf } from "../accounts/account-reports.ts";
import type { AccountMails } from "./account-mails.ts";
import type { contract } from "../users.contract.ts";
import type { UsersRepository } from "../users.repository.ts";

/** What the actions need; it is there once the service has started. */
interface Parts {
  readonly accounts: UsersRepository;
  readonly mails: AccountMails;
}

/** What the links in mails to an account's address do, apart from passwords. */
export function emailActions(
  parts: () => Parts,
): Pick<
  Handlers<typeof contract>["actions"],
  "verifyEmail" | "resendVerification" | "restoreEmail"
> {
  return {
    verifyEmail: async (ctx) => {
      const { token } = ctx.params;
      const { after } = await parts().accounts.changeByLink(token, "verify-email", () => ({}));
      const self = partyOf(after);
      audit(ctx, { event: "email.verified", actor: self, subject: self });
    },

    resendVerification: async (ctx) => {
      const { accounts, mails } = parts();
      const account = found(await accounts.find(ctx.locals.user.sub));
      if (account.email_verified_at) return;
      if (!(await mails.sendLink(account, "verify-email")))
        throw new CitadelError("TooManyRequests", { data: { retryAfter: 3_600 } });
    },

    restoreEmail: async (ctx) => {
      const { accounts, mails } = parts();
      const { token } = ctx.params;
      const userId = await accounts.ownerOfLink(token, "restore-email");
      await endingSessions(ctx, { userId }, async () => {
        const { after, isFactorEnded } = await accounts.restoreEmail(token);
        const self = partyOf(after);
        const data = { fields: ["email"] };
        audit(ctx, { event: "account.changed", actor: self, subject: self, data });
        if (isFactorEnded)
          audit(ctx, { event: "second-factor.disabled", actor: self, subject: self });
        mails.emailRestored(after);
      });
    },
  };
}
