import { CitadelError } from "../../../lib/errors/errors.ts";
import { audit } from "../../../middlewares/audit.ts";
import { partyOf } from "../accounts/account-audit.ts";
import { changeAndEndSessions } from "../accounts/account-sessions.ts";
import type { Components, UsersActions } from "../components.ts";

/** The actions that verify an e-mail address, and that restore a former one. */
export function emailAddressActions(
  components: Components<"links">,
): UsersActions<"verifyEmail" | "resendVerification" | "restoreEmail"> {
  return {
    verifyEmail: async (ctx) => {
      const { after } = await components().links.use(ctx.params.token, "verify-email", () => ({}));
      const self = partyOf(after);
      audit(ctx, { event: "email.verified", actor: self, subject: self });
    },

    resendVerification: async (ctx) => {
      if (!(await components().links.requestVerification(ctx.locals.user.sub)))
        throw new CitadelError("TooManyRequests", { data: { retryAfter: 3_600 } });
    },

    restoreEmail: async (ctx) => {
      const { links } = components();
      const { token } = ctx.params;
      const userId = await links.ownerOf(token, "restore-email");
      await changeAndEndSessions(ctx, { userId }, async () => {
        const { after, isFactorRemoved } = await links.restoreAddress(token);
        const self = partyOf(after);
        const data = { fields: ["email"] };
        audit(ctx, { event: "account.changed", actor: self, subject: self, data });
        if (isFactorRemoved)
          audit(ctx, { event: "second-factor.disabled", actor: self, subject: self });
      });
    },
  };
}
