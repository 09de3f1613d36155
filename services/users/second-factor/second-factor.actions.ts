import { CitadelError } from "../../../lib/errors/errors.ts";
import { audit } from "../../../middlewares/audit.ts";
import { partyOf } from "../accounts/account-audit.ts";
import { mustExist } from "../accounts/account-rules.ts";
import { changeAndEndSessions } from "../accounts/account-sessions.ts";
import { mustOutrank } from "../administration/administration-rules.ts";
import type { Components, UsersActions } from "../components.ts";

/** The actions that set up and remove second factors. */
export function secondFactorActions(
  components: Components<"accounts" | "login" | "roles" | "secondFactor">,
): UsersActions<
  | "secondFactor"
  | "proposeSecondFactor"
  | "confirmSecondFactor"
  | "renewRecoveryCodes"
  | "disableSecondFactor"
  | "removeSecondFactor"
> {
  const accountOf = async (id: string) => mustExist(await components().accounts.find(id));

  return {
    secondFactor: (ctx) => components().secondFactor.state(ctx.locals.user.sub),

    proposeSecondFactor: async (ctx) => {
      const { login, secondFactor } = components();
      const account = await accountOf(ctx.locals.user.sub);
      await login.confirmPassword(ctx, account, ctx.params.password);
      return secondFactor.propose(account);
    },

    confirmSecondFactor: async (ctx) => {
      const { login, secondFactor } = components();
      const { sub: userId, sid: except } = ctx.locals.user;
      const account = await accountOf(userId);
      const proposal = await login.limited(ctx, account, () =>
        secondFactor.verifyProposal(userId, ctx.params.otp),
      );
      // the other sessions began without the second factor
      const recoveryCodes = await changeAndEndSessions(ctx, { userId, except }, async () => {
        const codes = await secondFactor.enable(account, proposal);
        audit(ctx, { event: "second-factor.enabled" });
        return codes;
      });
      return { recoveryCodes };
    },

    renewRecoveryCodes: async (ctx) => {
      const { login, secondFactor } = components();
      const account = await accountOf(ctx.locals.user.sub);
      await login.confirmBoth(ctx, account, ctx.params);
      const recoveryCodes = await secondFactor.renewCodes(account);
      audit(ctx, { event: "recovery-codes.renewed" });
      return { recoveryCodes };
    },

    disableSecondFactor: async (ctx) => {
      const { login, secondFactor } = components();
      const account = await accountOf(ctx.locals.user.sub);
      await login.confirmBoth(ctx, account, ctx.params);
      await secondFactor.remove(account.id);
      audit(ctx, { event: "second-factor.disabled" });
    },

    removeSecondFactor: async (ctx) => {
      const { roles, secondFactor } = components();
      const account = await accountOf(ctx.params.id);
      const { id } = account;
      // one's own takes the password and a code: a stolen access token must not be enough
      if (id === ctx.locals.user.sub)
        throw new CitadelError("UserNotAuthorized", {
          message:
            "Disable your own second factor with POST /api/auth/second-factor/disable, your password and a code.",
        });
      mustOutrank(ctx.locals.user, account, await roles.known(account.roles));
      await secondFactor.remove(id);
      audit(ctx, { event: "second-factor.disabled", subject: partyOf(account) });
      await ctx.call("auth.endSessions", { userId: id });
    },
  };
}
