import { randomUUID } from "node:crypto";
import {
  type Kysely,
  type Selectable,
  type SelectQueryBuilder,
  sql,
  type UpdateObject,
} from "kysely";
import type { Client } from "../../lib/client.ts";
import type { ResultOf } from "../../lib/contract.ts";
import { newestFirst } from "../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../lib/page.ts";
import type { AuthDatabase, Sessions } from "./tables.ts";

/** What sessions are bound to: those of another tenant or environment are none here. */
export interface Realm {
  readonly tenantId: string;
  readonly environmentId: string;
}

/** Who acts in a user's name, and in which session of their own. */
export interface Impersonator {
  id: string;
  username: string;
  sid: string;
}

export interface NewSession {
  /** Left out, one is made up. */
  id?: string;
  userId: string;
  /** Left out, it lives until it is ended. */
  expiresAt?: Date;
  client?: Client | undefined;
  impersonator?: Impersonator;
}

/** One session, of this user if one is named, or all of a user's, but perhaps one. */
export type Which =
  | { id: string; userId?: string }
  | { userId: string; except?: string | undefined };

/** A session and whose it is. */
export interface OwnedSession {
  id: string;
  userId: string;
  generation: number;
}

type Item = ResultOf<"auth.sessions">["items"][number];

/** How many rows are deleted at once, so that nobody waits long for one of them. */
const BATCH = 1_000;

/** Deletes batch by batch until there is no more. @param remove deletes one, and says how many rows it had */
export async function deleteInBatches(remove: (size: number) => Promise<bigint>): Promise<void> {
  while ((await remove(BATCH)) >= BATCH);
}

/** Where a session was used from. */
export const columnsOf = (client: Client | undefined) => ({
  device: client?.userAgent ?? null,
  address: client?.address ?? null,
});

/** Sessions: of users, of impersonators, and one for each secret of a service account. */
export class SessionsRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #realm: Realm;

  constructor(db: Kysely<AuthDatabase>, realm: Realm) {
    this.#db = db;
    this.#realm = realm;
  }

  /** @param db the transaction, if it is part of one @returns its id */
  async create(session: NewSession, db = this.#db): Promise<string> {
    const { id = randomUUID(), userId, expiresAt, client, impersonator } = session;
    const { tenantId, environmentId } = this.#realm;
    await db
      .insertInto("sessions")
      .values({
        id,
        user_id: userId,
        tenant_id: tenantId,
        environment_id: environmentId,
        expires_at: expiresAt ?? null,
        ...columnsOf(client),
        impersonator_id: impersonator?.id ?? null,
        impersonator: impersonator?.username ?? null,
        parent_id: impersonator?.sid ?? null,
      })
      .execute();
    return id;
  }

  /**
   * Creates a session in which somebody acts in another's name. It ends with the one that they have.
   *
   * @returns its id; undefined: theirs has ended, or is none of ours
   */
  async createWithin(session: NewSession & { impersonator: Impersonator }) {
    return this.#db.transaction().execute(async (trx) => {
      // who ends theirs waits, and then finds this one
      const parent = await trx
        .selectFrom("sessions")
        .select("id")
        .where("id", "=", session.impersonator.sid)
        .where("ended_at", "is", null)
        .forShare()
        .executeTakeFirst();
      return parent && this.create(session, trx);
    });
  }

  /** Notes that a living session is used. @returns is it one? */
  async use(id: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable("sessions")
      .set({ last_used_at: sql`now()` })
      .where("id", "=", id)
      .where("tenant_id", "=", this.#realm.tenantId)
      .where("environment_id", "=", this.#realm.environmentId)
      .where("ended_at", "is", null)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** The living sessions of a user, newest first. @param current the one that asks */
  async list(userId: string, current: string, page: PageRequest) {
    const select = this.#db
      .selectFrom("sessions")
      .selectAll()
      .where("user_id", "=", userId)
      .where("tenant_id", "=", this.#realm.tenantId)
      .where("environment_id", "=", this.#realm.environmentId)
      .where("ended_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`);
    const rows = await newestFirst(select, page, "created_at", "id").execute();
    return toPage(
      rows,
      page.limit,
      ({ created_at, id }) => ({ at: created_at, id }),
      (row) => toItem(row, current),
    );
  }

  /**
   * Ends a session, or all of a user's, and the impersonations that were begun in them.
   *
   * @returns `ended`: those that lived until now; `told`: all that every node has to refuse, which are
   * also those that ended in the last `seconds`
   */
  async end(which: Which, seconds: number): Promise<{ ended: OwnedSession[]; told: string[] }> {
    let chosen = this.#db.selectFrom("sessions").select("id");
    if ("id" in which) chosen = chosen.where("id", "=", which.id);
    if (which.userId !== undefined) chosen = chosen.where("user_id", "=", which.userId);
    if ("except" in which) chosen = chosen.where("id", "is distinct from", which.except ?? null);
    const ended = await this.#updateLiving(chosen, { ended_at: sql`now()` });
    const told = await this.#endedIn(seconds)
      .where(({ eb, or }) => or([eb("id", "in", chosen), eb("parent_id", "in", chosen)]))
      .execute();
    return {
      ended: ended.map(({ id, user_id, generation }) => ({ id, userId: user_id, generation })),
      told: told.map(({ id }) => id),
    };
  }

  /** Calls the tokens of a user's sessions back, and of the impersonations that were begun in them. */
  async renew(userId: string): Promise<{ id: string; generation: number }[]> {
    const chosen = this.#db.selectFrom("sessions").select("id").where("user_id", "=", userId);
    return this.#updateLiving(chosen, {
      generation: sql`generation + 1`,
      renewed_at: sql`now()`,
    });
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
          .set(changes)
          .where("ended_at", "is", null)
          .where(column, "in", chosen)
          .returning(["id", "user_id", "generation"])
          .execute();
      const own = await update("id");
      return [...own, ...(await update("parent_id"))];
    });
  }

  /** A session whose user nobody knows, as if it had never been. */
  async discard(id: string): Promise<void> {
    await this.#db.deleteFrom("sessions").where("id", "=", id).execute();
  }

  /** The sessions that ended, or called tokens back, in the last `seconds`: since when which are refused. */
  async recalled(seconds: number): Promise<{ id: string; at: Date; generation?: number }[]> {
    const ended = await this.#endedIn(seconds).execute();
    const renewed = await this.#db
      .selectFrom("sessions")
      .select(["id", "renewed_at", "generation"])
      .where("ended_at", "is", null)
      .where("renewed_at", ">", sql<Date>`now() - make_interval(secs => ${seconds})`)
      .execute();
    return [
      ...ended.flatMap(({ id, ended_at: at }) => (at ? [{ id, at }] : [])),
      ...renewed.flatMap(({ id, renewed_at: at, generation }) =>
        at ? [{ id, at, generation }] : [],
      ),
    ];
  }

  #endedIn(seconds: number) {
    return this.#db
      .selectFrom("sessions")
      .select(["id", "ended_at"])
      .where("ended_at", ">", sql<Date>`now() - make_interval(secs => ${seconds})`);
  }

  /**
   * Deletes the sessions of which no token can live: a user's when the last refresh token would have
   * expired, also if it was ended before, so that reuse is seen until then.
   *
   * @param seconds how long an access token may outlive its session
   */
  async purge(seconds: number): Promise<void> {
    await deleteInBatches(async (size) => {
      const { numDeletedRows } = await this.#db
        .deleteFrom("sessions")
        .where("id", "in", ({ selectFrom }) =>
          selectFrom("sessions")
            .select("id")
            .where(
              ({ fn }) => fn.coalesce("expires_at", "ended_at"),
              "<",
              sql<Date>`now() - make_interval(secs => ${seconds})`,
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

const toItem = (row: Selectable<Sessions>, current: string): Item => ({
  id: row.id,
  createdAt: row.created_at.toISOString(),
  lastUsedAt: row.last_used_at.toISOString(),
  expiresAt: row.expires_at?.toISOString() ?? "",
  device: row.device,
  address: row.address,
  current: row.id === current,
  ...(row.impersonator_id !== null && {
    impersonator: { id: row.impersonator_id, username: row.impersonator ?? "" },
  }),
});
