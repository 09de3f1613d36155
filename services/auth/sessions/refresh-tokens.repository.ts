import { type Kysely, sql } from "kysely";
import type { Client } from "../../../lib/context/client.ts";
import { hashOfToken } from "../../../lib/tokens/opaque-token.ts";
import { deleteInBatches } from "./session-ends.repository.ts";
import { columnsOf, type OwnedSession, type SessionsOptions } from "./sessions.repository.ts";
import type { AuthDatabase } from "../tables.ts";
import { newestTokenEnd } from "../tokens/token-life.ts";

/**
 * What a refresh token is worth: its session may go on (also where the same was asked before, and the
 * answer may have been lost), or it is no good, or it was used before.
 */
export type Verdict =
  | { outcome: "good" | "repeated" | "reused"; session: OwnedSession }
  | { outcome: "invalid" };

export interface RefreshTokensOptions extends SessionsOptions {
  /** For how long the same request gets the same answer, in seconds. */
  refreshGrace: number;
}

/** Refresh tokens, as hashes, each with its session. A used one is kept, so that its reuse is seen. */
export class RefreshTokensRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #options: RefreshTokensOptions;

  constructor(db: Kysely<AuthDatabase>, options: RefreshTokensOptions) {
    this.#db = db;
    this.#options = options;
  }

  /** @param db the transaction, if it is part of one */
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

  /** What the token would be worth. Nothing is used up. @param next what it would be traded for */
  async judge(token: string, next: string): Promise<Verdict> {
    return this.#judge(this.#db, token, next, false);
  }

  /** Uses up one refresh token and stores the next; of many at once, one wins. */
  async rotate(
    token: string,
    next: string,
    expiresAt: Date,
    client: Client | undefined,
  ): Promise<Verdict> {
    return this.#db.transaction().execute(async (trx) => {
      const verdict = await this.#judge(trx, token, next, true);
      if (verdict.outcome === "invalid" || verdict.outcome === "reused") return verdict;
      const { id } = verdict.session;
      const isFirst = verdict.outcome === "good";
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
          // a repeated request gets an access token of its own
          tokens_until: newestTokenEnd(this.#options.accessTokenTtl),
          ...(isFirst && {
            last_used_at: sql`now()`,
            expires_at: expiresAt,
            ...columnsOf(client),
          }),
        })
        .where("id", "=", id)
        .execute();
      return verdict;
    });
  }

  /** @param isLocked whoever else would use this token or end its session waits for the transaction */
  async #judge(
    db: Kysely<AuthDatabase>,
    token: string,
    next: string,
    isLocked: boolean,
  ): Promise<Verdict> {
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
        sql<boolean>`ended_at is null and token.expires_at > now()`.as("isLiving"),
      ])
      .where("hash", "=", hashOfToken(token))
      .where("tenant_id", "=", tenantId)
      .where("environment_id", "=", environmentId);
    const row = await (isLocked ? select.forUpdate() : select).executeTakeFirst();
    if (!row) return { outcome: "invalid" };
    const { isUsed, isJustUsed, isLiving, ...session } = row;
    if (!isUsed) return isLiving ? { outcome: "good", session } : { outcome: "invalid" };
    const mayRepeat = refreshGrace > 0 && isJustUsed && isLiving;
    if (mayRepeat && (await this.#isUnused(db, session.id, next)))
      return { outcome: "repeated", session };
    return { outcome: "reused", session };
  }

  /** Was this token given out in the session, and nobody has used it? */
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

  /** Deletes those that have expired, used or not: nobody can get anything for them any more. */
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
