import type { Handlers } from "../../lib/contract.ts";
import { CitadelError } from "../../lib/errors.ts";
import { makeOpaqueToken } from "../../lib/tokens/opaque-token.ts";
import { audit, auditCounted } from "../../middlewares/audit.ts";
import { FIRST_GENERATION, type Holder, type mint } from "./access-tokens.ts";
import type { contract } from "./auth.contract.ts";
import { mustHoldAll } from "./delegation.ts";
import type { ServiceAccount, ServiceAccountsRepository } from "./service-accounts.repository.ts";
import type { Teller } from "./session-end.ts";

export const GRANT = "client_credentials";

type Actions = Handlers<typeof contract>["actions"];

interface Means {
  /** There once the service has started. */
  accounts: () => ServiceAccountsRepository;
  /** Ends the session of a secret, and with it its tokens. */
  end: (ctx: Teller, which: { id: string }) => Promise<unknown>;
  sign: (holder: Holder) => ReturnType<typeof mint>;
}

const partyOf = ({ id, name }: ServiceAccount) => ({ id, name });

/** Programs that act for themselves: how they are made, and get their tokens. */
export function serviceAccountActions({
  accounts,
  end,
  sign,
}: Means): Pick<
  Actions,
  "token" | "serviceAccounts" | "createServiceAccount" | "changeSecret" | "removeServiceAccount"
> {
  const found = async (id: string) => {
    const account = await accounts().find(id);
    if (!account)
      throw new CitadelError("NotFound", { message: "There is no such service account." });
    return account;
  };

  return {
    token: async (ctx) => {
      const { client_id, client_secret } = ctx.params;
      const { account, isProved } = await accounts().authenticate(client_id, client_secret);
      const data = { grant: GRANT };
      if (!account || !isProved) {
        const subject = account && { subject: partyOf(account) };
        auditCounted(ctx, { event: "login.failed", ...subject, data });
        throw new CitadelError("InvalidCredentials", {
          message: "The client's id or its secret is wrong.",
        });
      }
      audit(ctx, { event: "token.issued", actor: partyOf(account), data });
      const { id, name: username, permissions, sid } = account;
      return sign({
        id,
        sid,
        generation: FIRST_GENERATION,
        username,
        roles: [],
        permissions,
        subjectType: "ServiceAccount",
      });
    },

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
