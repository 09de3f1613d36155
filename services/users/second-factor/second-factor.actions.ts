import type { Handlers } from "../../../lib/contract/handlers.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { audit } from "../../../middlewares/audit.ts";
import { found } from "../accounts/account-rules.ts";
import { endingSessions, partyOf } from "../accounts/account-reports.ts";
import type { AccountMails } from "../mail/account-mails.ts";
import type { Login } from "../login/login.ts";
import { mustOutrank } from "../administration/administration-rules.ts";
import type { SecondFactor } from "./second-factor.ts";
import type { contract } from "../users.contract.ts";
import type { UsersRepository } from "../users.repository.ts";

type Name =
  | "secondFactor"
  | "proposeSecondFactor"
  | "confirmSecondFactor"
  | "renewRecoveryCodes"
  | "disableSecondFactor"
  | "removeSecondFactor";

/** What the actions need; it is there once the service has started. */
interface Parts {
  readonly accounts: UsersRepository;
  readonly login: Login;
  readonly mails: AccountMails;
  readonly secondFactor: SecondFactor;
}

/**
 * The actions of the second factor.
 *
 * @param all every permission there is
 */
export function secondFactorActions(
  all: readonly string[],
  parts: () => Parts,
): Pick<Handlers<typeof contract>["actions"], Name> {
  const accountOf = async (id: string) => found(await parts().accounts.find(id));

  return {
    secondFactor: (ctx) => parts().secondFactor.state(ctx.locals.user.sub),

    proposeSecondFactor: async (ctx) => {
      const { login, secondFactor } = parts();
      const account = await accountOf(ctx.locals.user.sub);
      await login.confirmPassword(ctx, account, ctx.params.password);
      return secondFactor.propose(account);
    },

    confirmSecondFactor: async (ctx) => {
      const { login, mails, secondFactor } = parts();
      const { sub: userId, sid: except } = ctx.locals.user;
      const account = await accountOf(userId);
      const shown = await login.limited(ctx, account, () =>
        secondFactor.check(userId, ctx.params.otp),
      );
      // the others began without it
      const recoveryCodes = await endingSessions(ctx, { userId, except }, async () => {
        const codes = await secondFactor.enable(shown);
        audit(ctx, { event: "second-factor.enabled" });
        mails.secondFactorEnabled(account);
        return codes;
      });
      return { recoveryCodes };
    },

    renewRecoveryCodes: async (ctx) => {
      const { login, mails, secondFactor } = parts();
      const account = await accountOf(ctx.locals.user.sub);
      await login.confirmBoth(ctx, account, ctx.params);
      const recoveryCodes = await secondFactor.renewCodes(account.id);
      audit(ctx, { event: "recovery-codes.renewed" });
      mails.recoveryCodesRenewed(account);
      return { recoveryCodes };
    },

    disableSecondFactor: async (ctx) => {
      const { login, secondFactor } = parts();
      const account = await accountOf(ctx.locals.user.sub);
      await login.confirmBoth(ctx, account, ctx.params);
      await secondFactor.remove(account.id);
      audit(ctx, { event: "second-factor.disabled" });
    },

    removeSecondFactor: async (ctx) => {
      const { secondFactor } = parts();
      const account = await accountOf(ctx.params.id);
      const { id } = account;
      // who holds a token alone shall not get round the password and the code
      if (id === ctx.locals.user.sub)
        throw new CitadelError("UserNotAuthorized", {
          message: "Disable your own with your password and a code.",
        });
      mustOutrank(ctx.locals.user, account, all);
      await secondFactor.remove(id);
      audit(ctx, { event: "second-factor.disabled", subject: partyOf(account) });
      await ctx.call("auth.endSessions", { userId: id });
    },
  };
}
