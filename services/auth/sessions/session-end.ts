import type { ServiceBroker } from "moleculer";
import type { Caller } from "../../../lib/contract/calls.ts";
import { audit } from "../../../middlewares/audit.ts";
import { revocationsOf } from "../../../middlewares/auth/index.ts";
import type { Recalled, SessionEndsRepository, Which } from "./session-ends.repository.ts";

/** How many sessions one event tells of at most. */
const BATCH = 500;

/** As much of a context as it takes to tell of something. */
export type Teller = Caller & { readonly broker: ServiceBroker };

/** Tells every node what of a session is refused from now on. */
async function tellAll(ctx: Teller, told: readonly Recalled[]): Promise<void> {
  for (const { id, until, generation } of told)
    revocationsOf(ctx.broker).add(id, until, generation);
  for (let at = 0; at < told.length; at += BATCH) {
    const batch = told.slice(at, at + BATCH);
    await ctx.broadcast(
      "sessions.revoked",
      {
        sessions: batch.map(({ id: sid, generation }) => ({ sid, generation })),
        until: Math.max(...batch.map(({ until }) => until)),
      },
      { throwError: true },
    );
  }
}

/**
 * Calls the access tokens of a user's sessions back, since they say what is not so any more. The
 * sessions go on: the next tokens are good.
 */
export async function renewSessions(
  ctx: Teller,
  ends: SessionEndsRepository,
  userId: string,
): Promise<void> {
  await tellAll(ctx, await ends.renew(userId));
}

/**
 * Ends sessions and tells every node, which then refuses what is left of their access tokens. Fails
 * where nobody can be told; to do it again tells of those that have ended as well.
 *
 * @returns was there any?
 */
export async function endSessions(
  ctx: Teller,
  ends: SessionEndsRepository,
  which: Which,
): Promise<boolean> {
  const { ended, told } = await ends.end(which);
  for (const { id, userId } of ended)
    audit(ctx, { event: "session.ended", subject: { id: userId }, data: { session: id } });
  await tellAll(ctx, told);
  return told.length > 0;
}
