import type { Kysely, Transaction } from "kysely";
import type { ServiceBroker } from "moleculer";
import type { Caller } from "../../../lib/contract/calls.ts";
import type { Jobs } from "../../../lib/contract/durable.ts";
import type { SessionsRevoked } from "../../../lib/tokens/revocations.ts";
import { audit } from "../../../middlewares/audit.ts";
import { revocationsOf } from "../../../middlewares/auth/index.ts";
import type { contract } from "../auth.contract.ts";
import type { AuthDatabase } from "../tables.ts";
import {
  RevocationsRepository,
  type RevokedSession,
  type SessionSelection,
} from "./revocations.repository.ts";

/** The most sessions in one event. */
const BATCH = 500;

/** A context that can call, broadcast and write to the audit trail. */
export type CallContext = Caller & { readonly broker: ServiceBroker };

interface SessionRevocationOptions {
  readonly db: Kysely<AuthDatabase>;
  readonly jobs: Jobs<typeof contract>;
  readonly accessTokenTtl: number;
}

/**
 * Ends sessions and renews their tokens, and revokes the access tokens on every node. A job in the transaction repeats
 * the broadcast, in case this process dies before it.
 */
export class SessionRevocation {
  readonly #options: SessionRevocationOptions;

  constructor(options: SessionRevocationOptions) {
    this.#options = options;
  }

  /**
   * Ends sessions. If the broadcast fails it throws; ending the same sessions again repeats the broadcast.
   *
   * @returns whether the selection matched a session
   */
  async end(ctx: CallContext, selection: SessionSelection): Promise<boolean> {
    const { ended, revoked } = await this.#options.db
      .transaction()
      .execute((trx) => this.#endIn(trx, selection));
    auditEnded(ctx, ended);
    await broadcastRevocations(ctx, revoked);
    return revoked.length > 0;
  }

  /** Ends all sessions of a user in a transaction. The broadcast follows its commit. */
  async endAll(
    ctx: Pick<CallContext, "broker">,
    trx: Transaction<AuthDatabase>,
    userId: string,
  ): Promise<void> {
    const { ended } = await this.#endIn(trx, { userId });
    auditEnded(ctx, ended);
  }

  /**
   * Revokes the access tokens of these users' sessions, because their permissions have changed. The sessions go on, and a
   * refresh gives a valid token.
   */
  async renew(ctx: CallContext, userIds: readonly string[]): Promise<void> {
    const revoked = await this.#options.db.transaction().execute(async (trx) => {
      const renewed = await new RevocationsRepository(trx, this.#options).renew(userIds);
      await this.#broadcastLater(trx, renewed);
      return renewed;
    });
    await broadcastRevocations(ctx, revoked);
  }

  async #endIn(trx: Transaction<AuthDatabase>, selection: SessionSelection) {
    const result = await new RevocationsRepository(trx, this.#options).end(selection);
    await this.#broadcastLater(trx, result.revoked);
    return result;
  }

  async #broadcastLater(
    trx: Transaction<AuthDatabase>,
    revoked: readonly RevokedSession[],
  ): Promise<void> {
    for (const event of eventsFor(revoked))
      await this.#options.jobs.send(trx, "broadcastRevocations", event);
  }
}

function auditEnded(
  ctx: Pick<CallContext, "broker">,
  ended: readonly { id: string; userId: string }[],
): void {
  for (const { id, userId } of ended)
    audit(ctx, { event: "session.ended", subject: { id: userId }, data: { session: id } });
}

async function broadcastRevocations(
  ctx: CallContext,
  revoked: readonly RevokedSession[],
): Promise<void> {
  for (const { id, until, generation } of revoked)
    revocationsOf(ctx.broker).add(id, until, generation);
  for (const event of eventsFor(revoked))
    await ctx.broadcast("sessions.revoked", event, { throwError: true });
}

/** The events that tell every node of revoked sessions. */
function eventsFor(revoked: readonly RevokedSession[]): SessionsRevoked[] {
  const batches = Array.from({ length: Math.ceil(revoked.length / BATCH) }, (_, at) =>
    revoked.slice(at * BATCH, (at + 1) * BATCH),
  );
  return batches.map((batch) => ({
    sessions: batch.map(({ id: sid, generation }) => ({ sid, generation })),
    until: Math.max(...batch.map(({ until }) => until)),
  }));
}
