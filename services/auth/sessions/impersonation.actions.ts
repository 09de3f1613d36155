import type { Handlers } from "../../../lib/contract/handlers.ts";
import { SubjectType } from "../../../lib/tokens/subject-type.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { contract } from "../auth.contract.ts";
import { FIRST_GENERATION, type SignAccessToken } from "../tokens/access-tokens.ts";
import { secondsFromNow } from "../tokens/expiry.ts";
import { mustBeAllowedToImpersonate } from "./delegation.ts";
import { fetchIdentity } from "./identity.ts";
import { identityForSession, toTokenUser } from "./session-identity.ts";
import type { SessionsRepository } from "./sessions.repository.ts";

interface ImpersonationDependencies {
  /** Available after the service has started. */
  sessions: () => SessionsRepository;
  sign: SignAccessToken;
  /** In seconds. */
  accessTokenTtl: number;
}

/** Gives staff access tokens of other users (docs/tokens.md). */
export function impersonationActions({
  sessions,
  sign,
  accessTokenTtl,
}: ImpersonationDependencies): Pick<Handlers<typeof contract>["actions"], "impersonate"> {
  return {
    impersonate: async (ctx) => {
      const { sub, username, sid: parent, generation } = ctx.locals.user;
      const { userId } = ctx.params;
      const target = await fetchIdentity(ctx, userId);
      mustBeAllowedToImpersonate(ctx.locals.user, target);
      const sid = await sessions().createImpersonation({
        userId,
        expiresAt: secondsFromNow(accessTokenTtl),
        client: ctx.meta.client,
        impersonator: { id: sub, username, sid: parent, generation },
      });
      const identity = await identityForSession(ctx, sessions(), { sid, userId }, (current) =>
        mustBeAllowedToImpersonate(ctx.locals.user, current),
      );
      const user = toTokenUser(identity);
      audit(ctx, {
        event: "impersonation.started",
        subject: { id: user.id, name: user.username },
        data: { session: sid },
      });
      const act = { sub, username };
      const subjectType = SubjectType.ImpersonatedUserAccount;
      return {
        ...sign({ ...identity, sid, generation: FIRST_GENERATION, subjectType, act }),
        user,
      };
    },
  };
}
