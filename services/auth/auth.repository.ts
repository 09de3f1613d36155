import { createHash, randomUUID } from "node:crypto";
import { type Generated, type Kysely, sql } from "kysely";

interface AuthDatabase {
  sessions: {
    id: string;
    user_id: string;
    created_at: Generated<Date>;
    ended_at: Date | null;
  };
  refresh_tokens: {
    hash: string;
    session_id: string;
    expires_at: Date;
    used_at: Date | null;
  };
}

/** What became of a refresh token: its session goes on, or it was no good, or it was used before. */
export type Rotation =
  | { outcome: "rotated"; sessionId: string; userId: string }
  | { outcome: "invalid" }
  | { outcome: "reused"; sessionId: string };

const hashOf = (token: string) => createHash("sha256").update(token).digest("base64url");

/** auth's tables: sessions, and their refresh tokens as hashes. */
export class AuthRepository {
  readonly #db: Kysely<AuthDatabase>;

  constructor(db: Kysely<never>) {
    this.#db = db as unknown as Kysely<AuthDatabase>;
  }

  async createSession(userId: string, refreshToken: string, expiresAt: Date): Promise<string> {
    const id = randomUUID();
    await this.#db.transaction().execute(async (trx) => {
      await trx.insertInto("sessions").values({ id, user_id: userId, ended_at: null }).execute();
      await this.#store(trx, id, refreshToken, expiresAt);
    });
    return id;
  }

  /** Uses up one refresh token and stores the next; of many at once, one wins. */
  async rotate(token: string, next: string, expiresAt: Date): Promise<Rotation> {
    return this.#db.transaction().execute(async (trx): Promise<Rotation> => {
      const used = await trx
        .updateTable("refresh_tokens")
        .set({ used_at: sql`now()` })
        .where("hash", "=", hashOf(token))
        .where("used_at", "is", null)
        .where("expires_at", ">", sql<Date>`now()`)
        .returning("session_id")
        .executeTakeFirst();
      if (!used) return this.#whyNot(trx, token);
      const session = await trx
        .selectFrom("sessions")
        .select(["id", "user_id"])
        .where("id", "=", used.session_id)
        .where("ended_at", "is", null)
        .executeTakeFirst();
      if (!session) return { outcome: "invalid" };
      await this.#store(trx, session.id, next, expiresAt);
      return { outcome: "rotated", sessionId: session.id, userId: session.user_id };
    });
  }

  async #whyNot(trx: Kysely<AuthDatabase>, token: string): Promise<Rotation> {
    const row = await trx
      .selectFrom("refresh_tokens")
      .select(["session_id", "used_at"])
      .where("hash", "=", hashOf(token))
      .executeTakeFirst();
    return row?.used_at ? { outcome: "reused", sessionId: row.session_id } : { outcome: "invalid" };
  }

  async #store(trx: Kysely<AuthDatabase>, sessionId: string, token: string, expiresAt: Date) {
    await trx
      .insertInto("refresh_tokens")
      .values({ hash: hashOf(token), session_id: sessionId, expires_at: expiresAt, used_at: null })
      .execute();
  }

  /** Ends a session, or all of a user's. @returns the sessions that were living until now */
  async endSessions(which: { id: string } | { userId: string }): Promise<string[]> {
    const rows = await this.#db
      .updateTable("sessions")
      .set({ ended_at: sql`now()` })
      .where("ended_at", "is", null)
      .where("id" in which ? "id" : "user_id", "=", "id" in which ? which.id : which.userId)
      .returning("id")
      .execute();
    return rows.map(({ id }) => id);
  }
}
