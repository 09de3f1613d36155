import type { Handlers } from "../../lib/contract.ts";
import { CitadelError } from "../../lib/errors.ts";
import { tell } from "./account-changes.ts";
import type { AccountMails } from "./account-mails.ts";
import type { Login } from "./login.ts";
import type { MailLimits } from "./mail-limits.ts";
import type { contract } from "./users.contract.ts";
import { type Account, found, mustBeVersion, type UsersRepository } from "./users.repository.ts";
import { toUser } from "./viewing.ts";

/** What the actions need; it is there once the service has started. */
interface Parts {
  readonly accounts: UsersRepository;
  readonly mails: AccountMails;
  readonly mailLimits: MailLimits;
  readonly login: Login;
}

/** What people see and change of their own accounts. */
export function profileActions(
  parts: () => Parts,
): Pick<Handlers<typeof contract>["actions"], "profile" | "updateProfile"> {
  return {
    profile: async (ctx) => {
      const { user } = ctx.locals;
      return toUser(found(await parts().accounts.find(user.sub)), user);
    },

    updateProfile: async (ctx) => {
      const { accounts, mails, mailLimits, login } = parts();
      const { user } = ctx.locals;
      const { version, currentPassword, ...changes } = ctx.params;
      let confirmed: Account | undefined;
      if (currentPassword !== undefined) {
        if (changes.email === undefined) throw withoutAddress();
        confirmed = found(await accounts.find(user.sub));
        await login.confirmPassword(ctx, confirmed, currentPassword);
      }
      if (changes.email !== undefined) {
        const account = confirmed ?? found(await accounts.find(user.sub));
        mustBeVersion(account, version);
        if (changes.email !== account.email) await mailLimits.move(user.sub);
      }
      const changed = await accounts.change(user.sub, (account) => {
        mustBeVersion(account, version);
        if (!confirmed) return changes;
        // it was set anew meanwhile, perhaps to keep out who asks here
        if (account.password_hash !== confirmed.password_hash)
          throw new CitadelError("InvalidCredentials");
        return { ...changes, endsRecovery: true };
      });
      tell(ctx, mails, changed);
      return toUser(changed.after, user);
    },
  };
}

const withoutAddress = () =>
  new CitadelError("VALIDATION_ERROR", {
    data: [
      {
        field: "currentPassword",
        type: "withoutEmail",
        message: "The password is asked for only where the e-mail address is changed.",
      },
    ],
  });
