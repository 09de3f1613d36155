import {
  type Kysely,
  type Selectable,
  type SelectQueryBuilder,
  sql,
  type UpdateObject,
} from "kysely";
import { MAX_LIFETIME } from "../../../lib/tokens/access-token.ts";
import { deleteInBatches } from "../../../lib/database/purge.ts";
import type { AuthDatabase, Sessions } from "../tables.ts";
import { LEEWAY, latestTokenExpiry } from "../tokens/expiry.ts";
import type { OwnedSession, SessionsOptions } from "./sessions.repository.ts";

/** One session, if given of this user only; or all sessions of a user, except one if given. */
export type SessionSelection =
  | { id: string; userId?: string }
  | { userId: string; except?: string | undefined };

/** A session whose access tokens, or those of older generations, are refused. */
export interface RevokedSession {
  id: string;
  /** When its last access token has expired, in seconds since the epoch. */
  until: number;
  /** The oldest generation that is accepted; undefined: the session has ended. */
  generation?: number;
}

/**
 * Ends and renews sessions, each in a transaction of the caller. The rows stay until every access token of the session
 * has expired.
 */
export class RevocationsRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #accessTokenTtl: number;

  constructor(
    db: Kysely<AuthDatabase>,
    { accessTokenTtl }: Pick<SessionsOptions, "accessTokenTtl">,
  ) {
    this.#db = db;
    this.#accessTokenTtl = accessTokenTtl;
  }

  /**
   * Ends sessions, and the impersonations that were begun in them.
   *
   * @returns `ended`: the sessions that this call has ended; `revoked`: all selected sessions that have ended and
   * whose access tokens may not have expired yet
   */
  async end(
    selection: SessionSelection,
  ): Promise<{ ended: OwnedSession[]; revoked: RevokedSession[] }> {
    let selected = this.#db.selectFrom("sessions").select("id");
    if ("id" in selection) selected = selected.where("id", "=", selection.id);
    if (selection.userId !== undefined) selected = selected.where("user_id", "=", selection.userId);
    if ("except" in selection)
      selected = selected.where("id", "is distinct from", selection.except ?? null);
    const ended = await this.#updateActive(selected, { ended_at: sql`now()` });
    const revoked = await this.#withUnexpiredTokens()
      .where("ended_at", "is not", null)
      .where(({ eb, or }) => or([eb("id", "in", selected), eb("parent_id", "in", selected)]))
      .execute();
    return {
      ended: ended.map(({ id, user_id, generation }) => ({ id, userId: user_id, generation })),
      revoked: revoked.map(toRevokedSession),
    };
  }

  /** Begins a new token generation in the sessions of these users, and in the impersonations that were begun in them. */
  async renew(userIds: readonly string[]): Promise<RevokedSession[]> {
    const selected = this.#db.selectFrom("sessions").select("id").where("user_id", "in", userIds);
    // in one order, so that two transactions for the same users do not wait for each other
    await selected.where("ended_at", "is", null).orderBy("id").forUpdate().execute();
    const renewed = await this.#updateActive(selected, {
      generation: sql`generation + 1`,
      renewed_at: sql`now()`,
    });
    return renewed.map(toRevokedSession);
  }

  /**
   * Changes active sessions, then the impersonations that were begun in them. In this order none is missed: an
   * impersonation locks its parent session, so none can begin after the first update.
   */
  async #updateActive(
    selected: SelectQueryBuilder<AuthDatabase, "sessions", { id: string }>,
    changes: UpdateObject<AuthDatabase, "sessions">,
  ) {
    const update = (column: "id" | "parent_id") =>
      this.#db
        .updateTable("sessions")
        // a refresh in progress may still issue a token
        .set({ ...changes, tokens_until: latestTokenExpiry(this.#accessTokenTtl) })
        .where("ended_at", "is", null)
        .where(column, "in", selected)
        .returning(["id", "user_id", "generation", "ended_at", "tokens_until"])
        .execute();
    const own = await update("id");
    return [...own, ...(await update("parent_id"))];
  }

  /** The sessions that ended or were renewed, and whose refused access tokens may not have expired yet. */
  async list(): Promise<RevokedSession[]> {
    const rows = await this.#withUnexpiredTokens()
      .where(({ eb, or }) =>
        or([
          eb("ended_at", "is not", null),
          // a renewed session gets new tokens, which extend tokens_until; the refused ones are older
          eb("renewed_at", ">", sql<Date>`now() - make_interval(secs => ${MAX_LIFETIME + LEEWAY})`),
        ]),
      )
      .execute();
    return rows.map(toRevokedSession);
  }

  #withUnexpiredTokens() {
    return this.#db
      .selectFrom("sessions")
      .select(["id", "ended_at", "generation", "tokens_until"])
      .where("tokens_until", ">", sql<Date>`now()`);
  }

  /**
   * Deletes the sessions without a valid token: a user's when its last refresh token has expired, even if it ended
   * earlier, so that reuse is detected until then; a service account's when the account has another secret.
   */
  async purge(): Promise<void> {
    await deleteInBatches(async (size) => {
      const { numDeletedRows } = await this.#db
        .deleteFrom("sessions")
        .where("id", "in", ({ selectFrom }) =>
          selectFrom("sessions as session")
            .select("session.id")
            .where(({ fn }) => fn.coalesce("expires_at", "ended_at"), "<", sql<Date>`now()`)
            .where("tokens_until", "<", sql<Date>`now()`)
            .where(({ not, exists, selectFrom: select }) =>
              not(
                exists(
                  select("service_accounts").whereRef("session_id", "=", "session.id").select("id"),
                ),
              ),
            )
            .limit(size)
            .forUpdate()
            .skipLocked(),
        )
        .executeTakeFirstOrThrow();
      return numDeletedRows;
    });
  }
}

const toRevokedSession = (
  row: Pick<Selectable<Sessions>, "id" | "ended_at" | "generation" | "tokens_until">,
): RevokedSession => ({
  id: row.id,
  until: Math.ceil(row.tokens_until.getTime() / 1000),
  ...(row.ended_at === null && { generation: row.generation }),
});
