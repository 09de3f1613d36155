import type { Handlers } from "../../../lib/contract/handlers.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { found, mustBeVersion } from "./account-rules.ts";
import { tell } from "./account-reports.ts";
import type { AccountMails } from "../mail/account-mails.ts";
import type { Login } from "../login/login.ts";
import type { MailLimits } from "../mail/mail-limits.ts";
import { mustNotBeReserved } from "./reserved-usernames.ts";
import type { contract } from "../users.contract.ts";
import type { UsersRepository } from "../users.repository.ts";
import { toUser } from "./visible-fields.ts";

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
      const { version, currentPassword, otp, ...changes } = ctx.params;
      const account = found(await accounts.find(user.sub));
      mustBeVersion(account, version);
      if (changes.username !== undefined && changes.username !== account.username)
        mustNotBeReserved(changes.username, user);
      const isMove = changes.email !== undefined && changes.email !== account.email;
      if (isMove) {
        if (currentPassword === undefined) throw withoutPassword();
        await login.confirm(ctx, account, { password: currentPassword, otp });
        await mailLimits.move(user.sub);
      }
      const changed = await accounts.change(user.sub, (current) => {
        mustBeVersion(current, version);
        const isMoved = changes.email !== undefined && changes.email !== current.email;
        // the password was set anew meanwhile, perhaps to keep out who asks here; or the address was changed
        if (isMoved && (!isMove || current.password_hash !== account.password_hash))
          throw new CitadelError("InvalidCredentials");
        return { ...changes, restorable: "by-link" };
      });
      tell(ctx, mails, changed);
      return toUser(changed.after, user);
    },
  };
}

const withoutPassword = () =>
  new CitadelError("VALIDATION_ERROR", {
    data: [
      {
        field: "currentPassword",
        type: "required",
        message: "Another e-mail address needs your current password.",
      },
    ],
  });
