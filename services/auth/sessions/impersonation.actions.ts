import { RateLimiterMemory } from "rate-limiter-flexible";
import type { Handlers } from "../../../lib/contract/handlers.ts";
import { reserve } from "../../../lib/limits/counted-attempts.ts";
import { audit } from "../../../middlewares/audit.ts";
import { FIRST_GENERATION, type Holder, type mint } from "../tokens/access-tokens.ts";
import type { contract } from "../auth.contract.ts";
import { mustBeAbove } from "./delegation.ts";
import { identityIn, toUser } from "../identity.ts";
import type { SessionsRepository } from "./sessions.repository.ts";
import { inSeconds } from "../tokens/token-life.ts";

/** Each leaves a session and an audit entry behind, and takes a lock. A node counts for itself. */
const LIMIT = { points: 30, duration: 60 };

interface Means {
  /** There once the service has started. */
  sessions: () => SessionsRepository;
  sign: (holder: Holder) => ReturnType<typeof mint>;
  accessTokenTtl: number;
}

/** How staff act in somebody's name. */
export function impersonationActions({
  sessions,
  sign,
  accessTokenTtl,
}: Means): Pick<Handlers<typeof contract>["actions"], "impersonate"> {
  const limiter = new RateLimiterMemory(LIMIT);

  return {
    impersonate: async (ctx) => {
      const { sub, username, sid: parent, generation } = ctx.locals.user;
      const { userId } = ctx.params;
      await reserve(limiter, sub);
      mustBeAbove(ctx.locals.user, await ctx.call("users.identity", { id: userId }));
      const sid = await sessions().createWithin({
        userId,
        expiresAt: inSeconds(accessTokenTtl),
        client: ctx.meta.client,
        impersonator: { id: sub, username, sid: parent, generation },
      });
      const identity = await identityIn(ctx, sessions(), sid, userId, (current) =>
        mustBeAbove(ctx.locals.user, current),
      );
      const user = toUser(identity);
      audit(ctx, {
        event: "impersonation.started",
        subject: { id: user.id, name: user.username },
        data: { session: sid },
      });
      const act = { sub, username };
      const subjectType = "ImpersonatedUserAccount";
      return {
        ...sign({ ...identity, sid, generation: FIRST_GENERATION, subjectType, act }),
        user,
      };
    },
  };
}
