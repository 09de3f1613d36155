import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { audit } from "../../../middlewares/audit.ts";
import { reverifyAccessToken } from "../../../middlewares/auth/index.ts";
import type { Account, AccountChanges } from "../accounts/account.ts";
import { removeAccount } from "../accounts/account-removal.ts";
import { auditChange, partyOf } from "../accounts/account-audit.ts";
import { lastAdministrator, mustBeVersion, mustExist, mustFit } from "../accounts/account-rules.ts";
import { changeAndEndSessions, changeAndExpireTokens } from "../accounts/account-sessions.ts";
import { createAccount } from "../accounts/create-account.ts";
import { visibleFields } from "../accounts/visible-fields.ts";
import type { Components, UsersActions } from "../components.ts";
import {
  mustBeAdministrator,
  mustHold,
  mustNotBeOwn,
  mustOutrank,
  subjectTypeFor,
} from "./administration-rules.ts";

/**
 * The actions with which staff manage the accounts of other users.
 *
 * @param allPermissions every permission that a contract declares
 */
export function administrationActions(
  allPermissions: readonly string[],
  components: Components<"accounts" | "passwords">,
): UsersActions<"create" | "update" | "remove" | "setRoles" | "setSubjectType"> {
  /** Checked twice: before expensive work, and on the locked row. */
  const checkFor =
    (manager: AccessTokenClaims, version: number | undefined) => (account: Account) => {
      mustOutrank(manager, account, allPermissions);
      mustBeVersion(account, version);
    };

  return {
    create: async (ctx) => {
      const { username, email } = ctx.params;
      const account = await createAccount(components(), ctx.params, {
        unique: { username, email },
        // the manager's rights may have ended while the password waited to be hashed
        check: () => reverifyAccessToken(ctx),
      });
      audit(ctx, { event: "account.created", subject: partyOf(account) });
      return visibleFields(account, ctx.locals.user);
    },

    update: async (ctx) => {
      const { accounts, passwords } = components();
      const { id, password, version, ...fields } = ctx.params;
      const { user } = ctx.locals;
      mustFit(fields.extensions);
      if (password !== undefined || fields.email !== undefined) mustNotBeOwn(user, id);
      const check = checkFor(user, version);
      const { username, email } = mustExist(await accounts.find(id), check);
      if (fields.email !== undefined) await accounts.mustBeFree({ email: fields.email }, id);
      const owner = { username: fields.username ?? username, email: fields.email ?? email };
      const passwordHash = password && (await passwords.hash(password, owner));
      // the manager's rights may have ended while the password waited to be hashed
      await reverifyAccessToken(ctx);
      const changes: AccountChanges = { ...fields, passwordHash };
      const change = async () => {
        const changed = await accounts.change(id, (account) => {
          check(account);
          // the owner of the address that staff replace must not restore it
          return { ...changes, restoreLinks: "revoke" };
        });
        auditChange(ctx, changed);
        return visibleFields(changed.after, user);
      };
      // a person who knew the old password may be signed in
      return passwordHash ? changeAndEndSessions(ctx, { userId: id }, change) : change();
    },

    remove: async (ctx) => {
      const { accounts } = components();
      const { id, version } = ctx.params;
      const check = checkFor(ctx.locals.user, version);
      const account = mustExist(await accounts.find(id), check);
      if (account.roles.includes("admin") && !(await accounts.hasAdministrator(id)))
        throw lastAdministrator();
      await removeAccount(ctx, accounts, account, check);
    },

    setRoles: async (ctx) => {
      const { accounts } = components();
      const { id, roles, version } = ctx.params;
      const { user } = ctx.locals;
      const check = checkFor(user, version);
      mustHold(user, roles, allPermissions);
      mustExist(await accounts.find(id), check);
      return changeAndExpireTokens(ctx, id, async () => {
        const { before, after } = await accounts.changeRoles(id, (account) => {
          check(account);
          return { roles, subjectType: subjectTypeFor(account.subject_type, roles) };
        });
        const data = { before: before.roles, after: after.roles };
        audit(ctx, { event: "roles.changed", subject: partyOf(after), data });
        return visibleFields(after, user);
      });
    },

    setSubjectType: async (ctx) => {
      const { accounts } = components();
      const { id, subjectType, version } = ctx.params;
      const { user } = ctx.locals;
      const check = (account: Account) => {
        checkFor(user, version)(account);
        mustBeAdministrator(account);
      };
      mustExist(await accounts.find(id), check);
      return changeAndExpireTokens(ctx, id, async () => {
        const { before, after } = await accounts.change(id, (account) => {
          check(account);
          return subjectType === account.subject_type ? {} : { subjectType };
        });
        const data = { before: before.subject_type, after: after.subject_type };
        if (data.before !== data.after)
          audit(ctx, { event: "subject-type.changed", subject: partyOf(after), data });
        return visibleFields(after, user);
      });
    },
  };
}
