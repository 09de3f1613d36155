import { type Kysely, sql } from "kysely";
import type { Client } from "../../../lib/context/client.ts";
import { hashOfToken } from "../../../lib/tokens/opaque-token.ts";
import { deleteInBatches } from "../../../lib/database/purge.ts";
import type { AuthDatabase } from "../tables.ts";
import { latestTokenExpiry } from "../tokens/expiry.ts";
import { columnsOf, type OwnedSession, type SessionsOptions } from "./sessions.repository.ts";

/**
 * What a refresh token gives. `repeated`: it was used, but by the same request, whose response may have been lost.
 * `reused`: it was used by another request.
 */
export type RefreshResult =
  | { outcome: "valid" | "repeated" | "reused"; session: OwnedSession }
  | { outcome: "invalid" };

export interface RefreshTokensOptions extends SessionsOptions {
  /** How long a repeated request gets the same refresh token, in seconds. */
  refreshGrace: number;
}

/** Refresh tokens, stored as hashes. Used ones are kept, so that reuse is detected. */
export class RefreshTokensRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #options: RefreshTokensOptions;

  constructor(db: Kysely<AuthDatabase>, options: RefreshTokensOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** @param db the transaction to use, if any */
  async store(
    sessionId: string,
    token: string,
    expiresAt: Date,
    db: Kysely<AuthDatabase> = this.#db,
  ): Promise<void> {
    await db
      .insertInto("refresh_tokens")
      .values({ hash: hashOfToken(token), session_id: sessionId, expires_at: expiresAt })
      .execute();
  }

  /** The result that `rotate` would have. Changes nothing. @param next the refresh token to be issued */
  async check(token: string, next: string): Promise<RefreshResult> {
    return this.#find(this.#db, token, next, false);
  }

  /** Marks a refresh token as used, and stores the next one. Of concurrent calls with one token one gets `valid`. */
  async rotate(
    token: string,
    next: string,
    expiresAt: Date,
    client: Client | undefined,
  ): Promise<RefreshResult> {
    return this.#db.transaction().execute(async (trx) => {
      const result = await this.#find(trx, token, next, true);
      if (result.outcome === "invalid" || result.outcome === "reused") return result;
      const { id } = result.session;
      const isFirst = result.outcome === "valid";
      if (isFirst) {
        await trx
          .updateTable("refresh_tokens")
          .set({ used_at: sql`now()` })
          .where("hash", "=", hashOfToken(token))
          .execute();
        await this.store(id, next, expiresAt, trx);
      }
      await trx
        .updateTable("sessions")
        .set({
          // a repeated request gets a new access token, too
          tokens_until: latestTokenExpiry(this.#options.accessTokenTtl),
          ...(isFirst && {
            last_used_at: sql`now()`,
            expires_at: expiresAt,
            ...columnsOf(client),
          }),
        })
        .where("id", "=", id)
        .execute();
      return result;
    });
  }

  /** @param isLocked locks the token and its session until the transaction ends */
  async #find(
    db: Kysely<AuthDatabase>,
    token: string,
    next: string,
    isLocked: boolean,
  ): Promise<RefreshResult> {
    const { tenantId, environmentId, refreshGrace } = this.#options;
    const select = db
      .selectFrom("refresh_tokens as token")
      .innerJoin("sessions as session", "session.id", "token.session_id")
      .select([
        "session.id",
        "session.user_id as userId",
        "session.generation",
        sql<boolean>`used_at is not null`.as("isUsed"),
        sql<boolean>`used_at > now() - make_interval(secs => ${refreshGrace})`.as("isJustUsed"),
        sql<boolean>`ended_at is null and token.expires_at > now()`.as("isActive"),
      ])
      .where("hash", "=", hashOfToken(token))
      .where("tenant_id", "=", tenantId)
      .where("environment_id", "=", environmentId);
    const row = await (isLocked ? select.forUpdate() : select).executeTakeFirst();
    if (!row) return { outcome: "invalid" };
    const { isUsed, isJustUsed, isActive, ...session } = row;
    if (!isUsed) return isActive ? { outcome: "valid", session } : { outcome: "invalid" };
    const mayRepeat = refreshGrace > 0 && isJustUsed && isActive;
    if (mayRepeat && (await this.#isUnused(db, session.id, next)))
      return { outcome: "repeated", session };
    return { outcome: "reused", session };
  }

  /** Whether this token was issued in the session, and not used yet. */
  async #isUnused(db: Kysely<AuthDatabase>, sessionId: string, token: string) {
    const row = await db
      .selectFrom("refresh_tokens")
      .select("hash")
      .where("hash", "=", hashOfToken(token))
      .where("session_id", "=", sessionId)
      .where("used_at", "is", null)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Deletes expired tokens, used or not. */
  async purge(): Promise<void> {
    await deleteInBatches(async (size) => {
      const { numDeletedRows } = await this.#db
        .deleteFrom("refresh_tokens")
        .where("hash", "in", ({ selectFrom }) =>
          selectFrom("refresh_tokens")
            .select("hash")
            .where("expires_at", "<", sql<Date>`now()`)
            .limit(size)
            .forUpdate()
            .skipLocked(),
        )
        .executeTakeFirstOrThrow();
      return numDeletedRows;
    });
  }
}
