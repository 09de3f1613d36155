import {
  type Kysely,
  type Selectable,
  type SelectQueryBuilder,
  sql,
  type UpdateObject,
} from "kysely";
import { MAX_LIFETIME } from "../../../lib/tokens/access-token.ts";
import type { OwnedSession, SessionsOptions } from "./sessions.repository.ts";
import type { AuthDatabase, Sessions } from "../tables.ts";
import { LEEWAY, newestTokenEnd } from "../tokens/token-life.ts";

/** One session, of this user if one is named, or all of a user's, but perhaps one. */
export type Which =
  | { id: string; userId?: string }
  | { userId: string; except?: string | undefined };

/** A session of which tokens are refused. */
export interface Recalled {
  id: string;
  /** When the last of its tokens has expired, in seconds since the epoch. */
  until: number;
  /** The oldest that is still good; without it, none is: the session has ended. */
  generation?: number;
}

/** How many rows are deleted at once, so that nobody waits long for one of them. */
const BATCH = 1_000;

/** Deletes batch by batch until there is no more. @param remove deletes one, and says how many rows it had */
export async function deleteInBatches(remove: (size: number) => Promise<bigint>): Promise<void> {
  while ((await remove(BATCH)) >= BATCH);
}

/** How sessions end and call tokens back, which is remembered for as long as such a token may live. */
export class SessionEndsRepository {
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
   * Ends a session, or all of a user's, and the impersonations that were begun in them.
   *
   * @returns `ended`: those that lived until now; `told`: all that every node has to refuse, which are
   * also those that ended before, while tokens of theirs may live
   */
  async end(which: Which): Promise<{ ended: OwnedSession[]; told: Recalled[] }> {
    let chosen = this.#db.selectFrom("sessions").select("id");
    if ("id" in which) chosen = chosen.where("id", "=", which.id);
    if (which.userId !== undefined) chosen = chosen.where("user_id", "=", which.userId);
    if ("except" in which) chosen = chosen.where("id", "is distinct from", which.except ?? null);
    const ended = await this.#updateLiving(chosen, { ended_at: sql`now()` });
    const told = await this.#withTokens()
      .where("ended_at", "is not", null)
      .where(({ eb, or }) => or([eb("id", "in", chosen), eb("parent_id", "in", chosen)]))
      .execute();
    return {
      ended: ended.map(({ id, user_id, generation }) => ({ id, userId: user_id, generation })),
      told: told.map(toRecalled),
    };
  }

  /** Calls the tokens of a user's sessions back, and of the impersonations that were begun in them. */
  async renew(userId: string): Promise<Recalled[]> {
    const chosen = this.#db.selectFrom("sessions").select("id").where("user_id", "=", userId);
    const renewed = await this.#updateLiving(chosen, {
      generation: sql`generation + 1`,
      renewed_at: sql`now()`,
    });
    return renewed.map(toRecalled);
  }

  /**
   * Changes living sessions, then the impersonations that were begun in them: in this order, so that by
   * then nobody begins another.
   */
  async #updateLiving(
    chosen: SelectQueryBuilder<AuthDatabase, "sessions", { id: string }>,
    changes: UpdateObject<AuthDatabase, "sessions">,
  ) {
    return this.#db.transaction().execute(async (trx) => {
      const update = (column: "id" | "parent_id") =>
        trx
          .updateTable("sessions")
          // a refresh that is under way may still mint one
          .set({ ...changes, tokens_until: newestTokenEnd(this.#accessTokenTtl) })
          .where("ended_at", "is", null)
          .where(column, "in", chosen)
          .returning(["id", "user_id", "generation", "ended_at", "tokens_until"])
          .execute();
      const own = await update("id");
      return [...own, ...(await update("parent_id"))];
    });
  }

  /** The sessions that ended, or called tokens back, and of which such tokens may live. */
  async recalled(): Promise<Recalled[]> {
    const rows = await this.#withTokens()
      .where(({ eb, or }) =>
        or([
          eb("ended_at", "is not", null),
          // the newer tokens of one that goes on do not make the older ones live longer
          eb("renewed_at", ">", sql<Date>`now() - make_interval(secs => ${MAX_LIFETIME + LEEWAY})`),
        ]),
      )
      .execute();
    return rows.map(toRecalled);
  }

  /** Those of which a token may live. */
  #withTokens() {
    return this.#db
      .selectFrom("sessions")
      .select(["id", "ended_at", "generation", "tokens_until"])
      .where("tokens_until", ">", sql<Date>`now()`);
  }

  /**
   * Deletes the sessions of which no token can live: a user's when the last refresh token would have
   * expired, also if it was ended before, so that reuse is seen until then; a service account's when its
   * secret has another.
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

const toRecalled = (
  row: Pick<Selectable<Sessions>, "id" | "ended_at" | "generation" | "tokens_until">,
): Recalled => ({
  id: row.id,
  until: Math.ceil(row.tokens_until.getTime() / 1000),
  ...(row.ended_at === null && { generation: row.generation }),
});
