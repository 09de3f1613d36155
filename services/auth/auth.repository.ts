import { createHash, randomUUID } from "node:crypto";
import { type Generated, type Kysely, sql } from "kysely";

export interface AuthDatabase {
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
  | { outcome: "rotated"; sessionId: string }
  | { outcome: "invalid" }
  | { outcome: "reused"; sessionId: string };

const hashOf = (token: string) => createHash("sha256").update(token).digest("base64url");

/** auth's tables: sessions, and their refresh tokens as hashes. */
export class AuthRepository {
  readonly #db: Kysely<AuthDatabase>;

  constructor(db: Kysely<AuthDatabase>) {
    this.#db = db;
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
        .select("id")
        .where("id", "=", used.session_id)
        .where("ended_at", "is", null)
        .executeTakeFirst();
      if (!session) return { outcome: "invalid" };
      await this.#store(trx, session.id, next, expiresAt);
      return { outcome: "rotated", sessionId: session.id };
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

  /** Whose session this refresh token would continue; undefined: nobody's. Nothing is used up. */
  async userOf(refreshToken: string): Promise<string | undefined> {
    const row = await this.#db
      .selectFrom("refresh_tokens")
      .innerJoin("sessions", "sessions.id", "refresh_tokens.session_id")
      .select("sessions.user_id")
      .where("hash", "=", hashOf(refreshToken))
      .where("used_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`)
      .where("ended_at", "is", null)
      .executeTakeFirst();
    return row?.user_id;
  }

  /**
   * Ends a session, or all of a user's.
   *
   * @returns those that were living until now, or ended in the last `seconds`
   */
  async endSessions(which: { id: string } | { userId: string }, seconds: number) {
    const [column, value] =
      "id" in which ? (["id", which.id] as const) : (["user_id", which.userId] as const);
    await this.#db
      .updateTable("sessions")
      .set({ ended_at: sql`now()` })
      .where("ended_at", "is", null)
      .where(column, "=", value)
      .execute();
    const sessions = await this.#endedIn(seconds).where(column, "=", value).execute();
    return sessions.map(({ id }) => id);
  }

  /** The sessions that ended in the last `seconds`, and when. */
  async endedSessions(seconds: number): Promise<{ id: string; endedAt: Date }[]> {
    const rows = await this.#endedIn(seconds).execute();
    return rows.flatMap(({ id, ended_at }) => (ended_at ? [{ id, endedAt: ended_at }] : []));
  }

  #endedIn(seconds: number) {
    return this.#db
      .selectFrom("sessions")
      .select(["id", "ended_at"])
      .where("ended_at", ">", sql<Date>`now() - make_interval(secs => ${seconds})`);
  }
}
