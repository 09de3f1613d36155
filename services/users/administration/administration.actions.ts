import type { Handlers } from "../../../lib/contract/handlers.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import type { Passwords } from "../passwords/passwords.ts";
import { audit } from "../../../middlewares/audit.ts";
import { reverifyAccessToken } from "../../../middlewares/auth/index.ts";
import { found, lastAdministrator, mustBeVersion } from "../accounts/account-rules.ts";
import {
  endingSessions,
  partyOf,
  removeAccount,
  renewingSessions,
  tell,
} from "../accounts/account-reports.ts";
import type { AccountMails } from "../mail/account-mails.ts";
import { mustBeAnothers, mustHold, mustOutrank, subjectTypeFor } from "./administration-rules.ts";
import type { contract } from "../users.contract.ts";
import type { Account, Changes, UsersRepository } from "../users.repository.ts";
import { toUser } from "../accounts/visible-fields.ts";

/** What the actions need; it is there once the service has started. */
interface Parts {
  readonly accounts: UsersRepository;
  readonly mails: AccountMails;
  readonly passwords: Passwords;
}

/**
 * What staff does to the accounts of others.
 *
 * @param all every permission there is
 */
export function managementActions(
  all: readonly string[],
  parts: () => Parts,
): Pick<Handlers<typeof contract>["actions"], "update" | "remove" | "setRoles"> {
  /** Asked twice: before anything is done, and when nobody else changes the account any more. */
  const checkFor =
    (manager: AccessTokenClaims, version: number | undefined) => (account: Account) => {
      mustOutrank(manager, account, all);
      mustBeVersion(account, version);
    };

  return {
    update: async (ctx) => {
      const { accounts, mails, passwords } = parts();
      const { id, password, version, ...rest } = ctx.params;
      const { user } = ctx.locals;
      if (password !== undefined || rest.email !== undefined) mustBeAnothers(user, id);
      const check = checkFor(user, version);
      const { username, email } = found(await accounts.find(id), check);
      if (rest.email !== undefined) await accounts.mustBeFree({ email: rest.email }, id);
      const owner = { username: rest.username ?? username, email: rest.email ?? email };
      const passwordHash = password && (await passwords.hash(password, owner));
      // where many wait for a hash, who asked may be no manager any more
      await reverifyAccessToken(ctx);
      const changes: Changes = { ...rest, passwordHash };
      const change = async () => {
        const changed = await accounts.change(id, (account) => {
          check(account);
          // whoever had the address that staff replaces is not to get back by it
          return { ...changes, restorable: "never" };
        });
        tell(ctx, mails, changed);
        return toUser(changed.after, user);
      };
      // whoever knew the old password may be signed in
      return passwordHash ? endingSessions(ctx, { userId: id }, change) : change();
    },

    remove: async (ctx) => {
      const { accounts } = parts();
      const { id, version } = ctx.params;
      const check = checkFor(ctx.locals.user, version);
      const account = found(await accounts.find(id), check);
      if (account.roles.includes("admin") && !(await accounts.hasAdministrator(id)))
        throw lastAdministrator();
      await removeAccount(ctx, accounts, account, check);
    },

    setRoles: async (ctx) => {
      const { accounts } = parts();
      const { id, roles, version } = ctx.params;
      const { user } = ctx.locals;
      const check = checkFor(user, version);
      mustHold(user, roles, all);
      found(await accounts.find(id), check);
      return renewingSessions(ctx, id, async () => {
        const { before, after } = await accounts.changeRoles(id, (account) => {
          check(account);
          return { roles, subjectType: subjectTypeFor(account.subject_type, roles) };
        });
        const data = { before: before.roles, after: after.roles };
        audit(ctx, { event: "roles.changed", subject: partyOf(after), data });
        return toUser(after, user);
      });
    },
  };
}
