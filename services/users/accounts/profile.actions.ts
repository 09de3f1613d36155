import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Components, UsersActions } from "../components.ts";
import { auditChange } from "./account-audit.ts";
import { mustBeVersion, mustExist } from "./account-rules.ts";
import { mustNotBeReserved } from "./reserved-usernames.ts";
import { visibleFields } from "./visible-fields.ts";

/** The actions with which users read and change their own accounts. */
export function profileActions(
  components: Components<"accounts" | "login" | "mailLimits">,
): UsersActions<"profile" | "updateProfile"> {
  return {
    profile: async (ctx) => {
      const { user } = ctx.locals;
      return visibleFields(mustExist(await components().accounts.find(user.sub)), user);
    },

    updateProfile: async (ctx) => {
      const { accounts, mailLimits, login } = components();
      const { user } = ctx.locals;
      const { version, currentPassword, otp, ...changes } = ctx.params;
      const account = mustExist(await accounts.find(user.sub));
      mustBeVersion(account, version);
      if (changes.username !== undefined && changes.username !== account.username)
        mustNotBeReserved(changes.username, user);
      const isMove = changes.email !== undefined && changes.email !== account.email;
      if (isMove) {
        if (currentPassword === undefined) throw passwordMissing();
        await login.confirm(ctx, account, { password: currentPassword, otp });
        await mailLimits.countAddressChange(user.sub);
      }
      const changed = await accounts.change(user.sub, (current) => {
        mustBeVersion(current, version);
        const isMoved = changes.email !== undefined && changes.email !== current.email;
        // the address or the password has changed since it was checked, perhaps because it was stolen
        if (isMoved && (!isMove || current.password_hash !== account.password_hash))
          throw new CitadelError("InvalidCredentials");
        return { ...changes, restoreLinks: "create" };
      });
      auditChange(ctx, changed);
      return visibleFields(changed.after, user);
    },
  };
}

const passwordMissing = () =>
  new CitadelError("VALIDATION_ERROR", {
    data: [
      {
        field: "currentPassword",
        type: "required",
        message: "Send your current password to change your e-mail address.",
      },
    ],
  });
