import type { Handlers } from "../../../lib/contract/handlers.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { contract } from "../auth.contract.ts";
import { mustBeAllowedToManage } from "../sessions/delegation.ts";
import type { CallContext } from "../sessions/session-revocation.ts";
import type { ServiceAccountGrants } from "./grants.ts";
import type { ServiceAccount, ServiceAccountsRepository } from "./service-accounts.repository.ts";

type Actions = Handlers<typeof contract>["actions"];

interface ServiceAccountDependencies {
  grants: ServiceAccountGrants;
  /** Available after the service has started. */
  accounts: () => ServiceAccountsRepository;
  /** Ends the session of a secret, which revokes its access tokens. */
  endSession: (ctx: CallContext, selection: { id: string }) => Promise<unknown>;
}

/** A service account in the audit trail. */
export const partyOf = ({ id, name }: ServiceAccount) => ({ id, name });

/** Manages the accounts of programs. */
export function serviceAccountActions({
  grants,
  accounts,
  endSession,
}: ServiceAccountDependencies): Pick<
  Actions,
  "serviceAccounts" | "createServiceAccount" | "changeSecret" | "removeServiceAccount"
> {
  const find = async (id: string) => {
    const account = await accounts().find(id);
    if (!account)
      throw new CitadelError("NotFound", { message: "There is no such service account." });
    return account;
  };

  return {
    serviceAccounts: (ctx) => accounts().list(ctx.params),

    createServiceAccount: async (ctx) => {
      const { name, permissions, subjectType } = ctx.params;
      mustBeAllowedToManage(ctx.locals.user, { subjectType });
      grants.mustHold(ctx.locals.user, permissions);
      grants.mustBeGrantable(permissions, subjectType);
      const secret = makeOpaqueToken();
      const { sub: createdBy } = ctx.locals.user;
      const account = await accounts().create(
        { name, permissions, subjectType, createdBy },
        secret,
      );
      const subject = { id: account.id, name };
      audit(ctx, { event: "service-account.created", subject, data: { permissions, subjectType } });
      return { ...account, client_id: account.id, client_secret: secret };
    },

    changeSecret: async (ctx) => {
      const account = await find(ctx.params.id);
      mustBeAllowedToManage(ctx.locals.user, account);
      // the new secret gives its holder the account's permissions
      grants.mustHold(ctx.locals.user, account.permissions);
      await endSession(ctx, { id: account.sid });
      const secret = makeOpaqueToken();
      await accounts().changeSecret(account, secret);
      audit(ctx, { event: "service-account.changed", subject: partyOf(account) });
      return { client_id: account.id, client_secret: secret };
    },

    removeServiceAccount: async (ctx) => {
      const account = await find(ctx.params.id);
      await endSession(ctx, { id: account.sid });
      await accounts().remove(account);
      audit(ctx, { event: "service-account.removed", subject: partyOf(account) });
    },
  };
}
