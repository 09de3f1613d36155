import type { ServiceBroker } from "moleculer";
import type { Caller } from "../../lib/contract.ts";
import { audit } from "../../middlewares/audit.ts";
import { revocationsOf } from "../../middlewares/auth/index.ts";
import type { SessionsRepository, Which } from "./sessions.repository.ts";

/** How many sessions one event tells of at most. */
const BATCH = 500;

/** As much of a context as it takes to tell of something. */
export type Teller = Caller & { readonly broker: ServiceBroker };

/** Tells every node what of a session is refused from now on. */
async function tellAll(
  ctx: Teller,
  told: readonly { id: string; generation?: number }[],
  memory: number,
): Promise<void> {
  const until = Math.ceil(Date.now() / 1000) + memory;
  for (const { id, generation } of told) revocationsOf(ctx.broker).add(id, until, generation);
  const sessions = told.map(({ id: sid, generation }) => ({ sid, generation }));
  for (let at = 0; at < sessions.length; at += BATCH)
    await ctx.broadcast(
      "sessions.revoked",
      { sessions: sessions.slice(at, at + BATCH), until },
      { throwError: true },
    );
}

/**
 * Calls the access tokens of a user's sessions back, since they say what is not so any more. The
 * sessions go on: the next tokens are good.
 *
 * @param memory for how long older tokens have to be remembered, in seconds
 */
export async function renewSessions(
  ctx: Teller,
  sessions: SessionsRepository,
  userId: string,
  memory: number,
): Promise<void> {
  await tellAll(ctx, await sessions.renew(userId), memory);
}

/**
 * Ends sessions and tells every node, which then refuses what is left of their access tokens. Fails
 * where nobody can be told; to do it again tells of those that have ended as well.
 *
 * @param memory for how long an ended session has to be remembered, in seconds
 * @returns was there any?
 */
export async function endSessions(
  ctx: Teller,
  sessions: SessionsRepository,
  which: Which,
  memory: number,
): Promise<boolean> {
  const { ended, told } = await sessions.end(which, memory);
  for (const { id, userId } of ended)
    audit(ctx, { event: "session.ended", subject: { id: userId }, data: { session: id } });
  await tellAll(
    ctx,
    told.map((id) => ({ id })),
    memory,
  );
  return told.length > 0;
}
