import { sql } from "kysely";
import type { ParamsOf } from "../../../lib/contract/calls.ts";
import type { ChatDb, ChatTransaction } from "../chat.database.ts";

/** A user in a room. */
export interface Pair {
  readonly roomId: string;
  readonly userId: string;
}

/** Whether a user is in a room now. */
export interface Presence extends Pair {
  readonly online: boolean;
  readonly epoch: number;
}

type Report = ParamsOf<"chat.reportPresence">;

/** How long a gateway's report holds, in milliseconds. Gateways renew it every 5 seconds. */
const LEASE = 15_000;

const leaseEnd = () => sql<Date>`clock_timestamp() + ${LEASE} * interval '1 millisecond'`;

const pairsOf = (lists: Report["present"]): Pair[] =>
  lists.flatMap(({ room, users }) => users.map((userId) => ({ roomId: room, userId })));

/** Which users have sockets in which rooms, on which gateways. */
export class PresenceRepository {
  readonly #db: ChatDb;

  constructor(db: ChatDb) {
    this.#db = db;
  }

  /** The users who are in a room. */
  async usersIn(roomId: string): Promise<string[]> {
    const rows = await this.#db
      .selectFrom("presence")
      .innerJoin("gateways", "gateways.node_id", "presence.node_id")
      .select("user_id")
      .distinct()
      .where("room_id", "=", roomId)
      .where("lease_until", ">", sql<Date>`clock_timestamp()`)
      .orderBy("user_id")
      .execute();
    return rows.map((row) => row.user_id);
  }

  /**
   * Stores a gateway's report and renews its lease.
   *
   * @returns the pairs that it changes; undefined for a report that is not whole, of a gateway whose lease has ended
   */
  async store(trx: ChatTransaction, nodeId: string, report: Report): Promise<Pair[] | undefined> {
    if (report.whole) {
      await trx
        .insertInto("gateways")
        .values({ node_id: nodeId, lease_until: leaseEnd() })
        .onConflict((conflict) =>
          conflict.column("node_id").doUpdateSet({ lease_until: leaseEnd() }),
        )
        .execute();
    } else {
      const renewed = await trx
        .updateTable("gateways")
        .set({ lease_until: leaseEnd() })
        .where("node_id", "=", nodeId)
        .returning("node_id")
        .executeTakeFirst();
      if (!renewed) return undefined;
    }
    const added = await this.#add(trx, nodeId, pairsOf(report.present));
    const removed = report.whole
      ? await this.#keepOnly(trx, nodeId, pairsOf(report.present))
      : await this.#remove(trx, nodeId, pairsOf(report.absent));
    return [...added, ...removed];
  }

  async #add(trx: ChatTransaction, nodeId: string, pairs: readonly Pair[]): Promise<Pair[]> {
    if (pairs.length === 0) return [];
    const { rows } = await sql<Pair>`
      insert into chat.presence (node_id, room_id, user_id)
      select ${nodeId}, room_id, user_id from ${listOf(pairs)}
      on conflict do nothing
      returning room_id as "roomId", user_id as "userId"
    `.execute(trx);
    return rows;
  }

  async #remove(trx: ChatTransaction, nodeId: string, pairs: readonly Pair[]): Promise<Pair[]> {
    if (pairs.length === 0) return [];
    const { rows } = await sql<Pair>`
      delete from chat.presence
      where node_id = ${nodeId} and (room_id, user_id) in (select room_id, user_id from ${listOf(pairs)})
      returning room_id as "roomId", user_id as "userId"
    `.execute(trx);
    return rows;
  }

  async #keepOnly(trx: ChatTransaction, nodeId: string, pairs: readonly Pair[]): Promise<Pair[]> {
    const { rows } = await sql<Pair>`
      delete from chat.presence
      where node_id = ${nodeId} and (room_id, user_id) not in (select room_id, user_id from ${listOf(pairs)})
      returning room_id as "roomId", user_id as "userId"
    `.execute(trx);
    return rows;
  }

  /** Removes the gateways whose leases have ended. @returns the pairs that this changes */
  async expire(trx: ChatTransaction): Promise<Pair[]> {
    const { rows } = await sql<Pair>`
      with expired as (
        select node_id from chat.gateways where lease_until < clock_timestamp()
        order by node_id for update skip locked
      ), removed as (
        delete from chat.presence where node_id in (select node_id from expired)
        returning room_id as "roomId", user_id as "userId"
      ), gone as (
        delete from chat.gateways where node_id in (select node_id from expired)
      )
      select * from removed
    `.execute(trx);
    return rows;
  }

  /** Whether these users are in these rooms now, without rooms that do not exist. */
  async of(pairs: readonly Pair[]): Promise<Presence[]> {
    if (pairs.length === 0) return [];
    const { rows } = await sql<Presence>`
      select pairs.room_id as "roomId", pairs.user_id as "userId", rooms.epoch, exists (
        select from chat.presence join chat.gateways using (node_id)
        where presence.room_id = pairs.room_id and presence.user_id = pairs.user_id
          and lease_until > clock_timestamp()
      ) as online
      from (select distinct * from ${listOf(pairs)}) as pairs join chat.rooms on rooms.id = pairs.room_id
    `.execute(this.#db);
    return rows;
  }
}

const listOf = (pairs: readonly Pair[]) =>
  sql`unnest(${pairs.map(({ roomId }) => roomId)}::text[], ${pairs.map(({ userId }) => userId)}::uuid[]) as listed (room_id, user_id)`;
