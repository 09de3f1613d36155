import type { ServiceBroker } from "moleculer";
import type { Caller } from "../../../lib/contract/calls.ts";
import { audit } from "../../../middlewares/audit.ts";
import { revocationsOf } from "../../../middlewares/auth/index.ts";
import type {
  RevocationsRepository,
  RevokedSession,
  SessionSelection,
} from "./revocations.repository.ts";

/** The most sessions in one event. */
const BATCH = 500;

/** A context that can call, broadcast and write to the audit trail. */
export type CallContext = Caller & { readonly broker: ServiceBroker };

async function broadcastRevocations(
  ctx: CallContext,
  revoked: readonly RevokedSession[],
): Promise<void> {
  for (const { id, until, generation } of revoked)
    revocationsOf(ctx.broker).add(id, until, generation);
  for (let at = 0; at < revoked.length; at += BATCH) {
    const batch = revoked.slice(at, at + BATCH);
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
 * Revokes the access tokens of a user's sessions on every node, because the user's roles have changed. The sessions go
 * on, and a refresh gives a valid token.
 */
export async function renewSessions(
  ctx: CallContext,
  repository: RevocationsRepository,
  userId: string,
): Promise<void> {
  await broadcastRevocations(ctx, await repository.renew(userId));
}

/**
 * Ends sessions, and revokes their access tokens on every node. If the broadcast fails it throws; ending the same
 * sessions again repeats the broadcast.
 *
 * @returns whether the selection matched a session
 */
export async function endSessions(
  ctx: CallContext,
  repository: RevocationsRepository,
  selection: SessionSelection,
): Promise<boolean> {
  const { ended, revoked } = await repository.end(selection);
  for (const { id, userId } of ended)
    audit(ctx, { event: "session.ended", subject: { id: userId }, data: { session: id } });
  await broadcastRevocations(ctx, revoked);
  return revoked.length > 0;
}
