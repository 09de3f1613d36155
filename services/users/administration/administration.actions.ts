import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { audit } from "../../../middlewares/audit.ts";
import { reverifyAccessToken } from "../../../middlewares/auth/index.ts";
import type { AccountChanges, CheckAccount } from "../accounts/account.ts";
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
import type { KnownRoles } from "../roles/known-roles.ts";
import { mustExistAll } from "../roles/role-rules.ts";

/** The actions with which staff manage the accounts of other users. */
export function administrationActions(
  components: Components<"accounts" | "passwords" | "roles">,
): UsersActions<"create" | "update" | "remove" | "setRoles" | "setSubjectType"> {
  /** Checked twice: before expensive work, and on the locked row. */
  const checkFor =
    (manager: AccessTokenClaims, version: number | undefined): CheckAccount =>
    (account, roles) => {
      mustOutrank(manager, account, roles);
      mustBeVersion(account, version);
    };

  /** Reads and checks an account before expensive work. @throws CitadelError NotFound */
  const findChecked = async (id: string, check: CheckAccount) => {
    const { accounts, roles } = components();
    const account = mustExist(await accounts.find(id));
    check(account, await roles.known(account.roles));
    return account;
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
      const { username, email } = await findChecked(id, check);
      if (fields.email !== undefined) await accounts.mustBeFree({ email: fields.email }, id);
      const owner = { username: fields.username ?? username, email: fields.email ?? email };
      const passwordHash = password && (await passwords.hash(password, owner));
      // the manager's rights may have ended while the password waited to be hashed
      await reverifyAccessToken(ctx);
      const changes: AccountChanges = { ...fields, passwordHash };
      const change = async () => {
        const changed = await accounts.change(id, (account, roles) => {
          check(account, roles);
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
      const account = await findChecked(id, check);
      if (account.roles.includes("admin") && !(await accounts.hasAdministrator(id)))
        throw lastAdministrator();
      await removeAccount(ctx, accounts, account, check);
    },

    setRoles: async (ctx) => {
      const { accounts, roles: repository } = components();
      const { id, roles, version } = ctx.params;
      const { user } = ctx.locals;
      const check = checkFor(user, version);
      const checkRoles = (known: KnownRoles) => {
        mustExistAll(roles, known);
        mustHold(user, roles, known);
      };
      checkRoles(await repository.known(roles));
      await findChecked(id, check);
      return changeAndExpireTokens(ctx, id, async () => {
        const { before, after } = await accounts.changeRoles(id, roles, (account, known) => {
          checkRoles(known);
          check(account, known);
          return { roles, subjectType: subjectTypeFor(account.subject_type, roles, known) };
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
      const check: CheckAccount = (account, known) => {
        checkFor(user, version)(account, known);
        mustBeAdministrator(account);
      };
      await findChecked(id, check);
      return changeAndExpireTokens(ctx, id, async () => {
        const { before, after } = await accounts.change(id, (account, known) => {
          check(account, known);
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
