import type { Handlers } from "../../../lib/contract/handlers.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { makeOpaqueToken } from "../../../lib/tokens/opaque-token.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { contract } from "../auth.contract.ts";
import { mustHoldAll } from "../sessions/delegation.ts";
import type { ServiceAccount, ServiceAccountsRepository } from "./service-accounts.repository.ts";
import type { Teller } from "../sessions/session-end.ts";

type Actions = Handlers<typeof contract>["actions"];

interface Means {
  /** There once the service has started. */
  accounts: () => ServiceAccountsRepository;
  /** Ends the session of a secret, and with it its tokens. */
  end: (ctx: Teller, which: { id: string }) => Promise<unknown>;
}

/** A service account, as the audit trail names it. */
export const partyOf = ({ id, name }: ServiceAccount) => ({ id, name });

/** Programs that act for themselves: how they are made and managed. */
export function serviceAccountActions({
  accounts,
  end,
}: Means): Pick<
  Actions,
  "serviceAccounts" | "createServiceAccount" | "changeSecret" | "removeServiceAccount"
> {
  const found = async (id: string) => {
    const account = await accounts().find(id);
    if (!account)
      throw new CitadelError("NotFound", { message: "There is no such service account." });
    return account;
  };

  return {
    serviceAccounts: (ctx) => accounts().list(ctx.params),

    createServiceAccount: async (ctx) => {
      const { name, permissions } = ctx.params;
      mustHoldAll(ctx.locals.user, permissions);
      const secret = makeOpaqueToken();
      const { sub: createdBy } = ctx.locals.user;
      const account = await accounts().create({ name, permissions, createdBy }, secret);
      const subject = { id: account.id, name };
      audit(ctx, { event: "service-account.created", subject, data: { permissions } });
      return { ...account, client_id: account.id, client_secret: secret };
    },

    changeSecret: async (ctx) => {
      const account = await found(ctx.params.id);
      // who has the secret may do what the account may
      mustHoldAll(ctx.locals.user, account.permissions);
      await end(ctx, { id: account.sid });
      const secret = makeOpaqueToken();
      await accounts().changeSecret(account, secret);
      audit(ctx, { event: "service-account.changed", subject: partyOf(account) });
      return { client_id: account.id, client_secret: secret };
    },

    removeServiceAccount: async (ctx) => {
      const account = await found(ctx.params.id);
      await end(ctx, { id: account.sid });
      await accounts().remove(account);
      audit(ctx, { event: "service-account.removed", subject: partyOf(account) });
    },
  };
}
