import { widestKeyOf } from "../../../lib/network/address.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { Components, UsersActions } from "../components.ts";
import { openSession } from "../login/login.actions.ts";
import { expiryOfUnverified } from "./account-removal.ts";
import { partyOf } from "./account-audit.ts";
import { createAccount } from "./create-account.ts";
import { mustNotBeReserved } from "./reserved-usernames.ts";

/**
 * The action with which people create their own accounts.
 *
 * @param smtpUrl the mail server; without it accounts do not expire
 */
export function registrationActions(
  smtpUrl: string | undefined,
  components: Components<
    "accounts" | "login" | "loginLimits" | "mailLimits" | "passwords" | "registrations"
  >,
): UsersActions<"register"> {
  return {
    register: async (ctx, once) => {
      const { accounts, login, loginLimits, mailLimits, passwords, registrations } = components();
      // fails while auth is unreachable: an account without a session would block the owner's next attempt
      await ctx.call("auth.ready");
      mustNotBeReserved(ctx.params.username);
      const { client } = ctx.meta;
      const registered = await once(async () => {
        const { username } = ctx.params;
        const expiresAt = expiryOfUnverified(smtpUrl);
        const account = await mailLimits.countRegistration(client, () =>
          registrations.run(widestKeyOf(client?.address ?? ""), () =>
            createAccount({ accounts, passwords }, ctx.params, {
              unique: { username },
              expiresAt,
            }),
          ),
        );
        const self = partyOf(account);
        audit(ctx, { event: "account.registered", actor: self, subject: self });
        await loginLimits.remember(account.id, client);
        return account;
      });
      // a repeated request signs in like any login: the password may have changed since
      if (!registered) return openSession(ctx, login, ctx.params);
      return ctx.call("auth.generateToken", { userId: registered.id });
    },
  };
}
