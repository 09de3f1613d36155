import { Client } from "pg";
import { type Person, untilDone } from "./people.ts";
import type { Removal } from "./removals.ts";
import { EDITED, type Writers } from "./writers.ts";

/** What the database and the clients say after a run. */
export interface Judgement {
  /** Acknowledged messages, edits and deletions that are not in the tables as they were acknowledged. */
  readonly lost: number;
  /** Messages that are stored twice. */
  readonly doubled: number;
  /** Numbers of rooms that no entry has. */
  readonly gaps: number;
  /** Entries that a member's client has not given out. */
  readonly unseen: number;
  /** Entries that a client has given out again, or after a later one. */
  readonly disordered: number;
  /** Events that a client received of a room that its user was no member of. */
  readonly leaked: number;
  /** Rooms whose presence was wrong 30 seconds after the last change. */
  readonly wrongPresence: number;
  /** Unread counts that differ from what the clients have seen. */
  readonly wrongUnread: number;
}

/** A run without a fault in the application. */
export const FLAWLESS: Judgement = {
  lost: 0,
  doubled: 0,
  gaps: 0,
  unseen: 0,
  disordered: 0,
  leaked: 0,
  wrongPresence: 0,
  wrongUnread: 0,
};

interface Row {
  id: string;
  room_id: string;
  seq: number;
  text: string;
  deleted_at: Date | null;
  user_id: string | null;
  client_id: string | null;
}

/** The rooms and their logs, as the database has them. */
export class Logs {
  readonly messages: readonly Row[];
  /** The newest number of each room. */
  readonly heads: ReadonlyMap<string, number>;
  readonly #entries: ReadonlyMap<string, readonly number[]>;

  private constructor(
    messages: Row[],
    changes: { room_id: string; seq: number }[],
    heads: Map<string, number>,
  ) {
    this.messages = messages;
    this.heads = heads;
    const entries = new Map<string, number[]>();
    for (const { room_id, seq } of [...messages, ...changes])
      entries.set(room_id, [...(entries.get(room_id) ?? []), seq]);
    this.#entries = entries;
  }

  static async read(url: string): Promise<Logs> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const messages = await client.query<Row>("select * from chat.messages order by room_id, seq");
      const changes = await client.query<{ room_id: string; seq: number }>(
        "select room_id, seq from chat.changes",
      );
      const rooms = await client.query<{ id: string; seq: number }>(
        "select id, seq from chat.rooms",
      );
      return new Logs(
        messages.rows,
        changes.rows,
        new Map(rooms.rows.map(({ id, seq }) => [id, seq])),
      );
    } finally {
      await client.end();
    }
  }

  gaps(): number {
    let gaps = 0;
    for (const [id, head] of this.heads) gaps += head - new Set(this.#entries.get(id)).size;
    return gaps;
  }
}

const count = <T>(all: Iterable<T>, isOne: (one: T) => boolean): number =>
  [...all].filter(isOne).length;

/** What was acknowledged and is not in the tables. */
export function countLost({ messages }: Logs, writers: Writers): number {
  const byId = new Map(messages.map((row) => [row.id, row]));
  const changed = new Set([...writers.edited, ...writers.deleted].map(({ id }) => id));
  return (
    count(writers.messages, ({ id, roomId, seq, text }) => {
      const row = byId.get(id);
      return (
        row?.room_id !== roomId ||
        row.seq !== seq ||
        // an edit without an acknowledgement may have been committed
        !(changed.has(id) || row.text.startsWith(text) || row.deleted_at !== null)
      );
    }) +
    count(writers.edited, ({ id, text }) => byId.get(id)?.text !== text) +
    count(writers.deleted, ({ id }) => byId.get(id)?.deleted_at === null)
  );
}

/** Each text is written once, so that a message with another clientId is found, too. */
export function countDoubled({ messages }: Logs): number {
  const written = messages.filter(({ user_id, deleted_at }) => user_id !== null && !deleted_at);
  const texts = written.map(({ user_id, text }) => `${user_id} ${text.replace(EDITED, "")}`);
  return texts.length - new Set(texts).size;
}

/** Whether each client has given out each entry of its rooms, once and in order. */
export function countSeen(people: readonly Person[], { heads }: Logs) {
  let [unseen, disordered] = [0, 0];
  for (const { rooms, seen } of people)
    for (const [roomId, entries] of seen) {
      disordered += count(entries.keys(), (at) => entries[at]?.seq !== at + 1);
      if (rooms.has(roomId)) unseen += Math.max(0, (heads.get(roomId) ?? 0) - entries.length);
    }
  return { unseen, disordered };
}

/** An event without a timestamp may have been on its way for so long, in milliseconds. */
const ON_ITS_WAY = 3_000;

/** The events that users received of rooms that they were no members of. */
export function countLeaked(people: readonly Person[], removals: readonly Removal[]): number {
  let leaked = 0;
  for (const person of people) {
    const ends = new Map(
      removals.filter((one) => one.person === person).map(({ roomId, at }) => [roomId, at]),
    );
    leaked += count(person.arrived, ({ roomId, timestamp, at }) => {
      if (person.rooms.has(roomId)) return false;
      const end = ends.get(roomId);
      if (end === undefined) return true;
      return timestamp === undefined ? at > end + ON_ITS_WAY : Date.parse(timestamp) > end;
    });
  }
  return leaked;
}

/** The rooms whose presence is wrong. It has some time to become right. */
export async function countWrongPresence(
  rooms: ReadonlyMap<string, readonly Person[]>,
  deadline: number,
): Promise<number> {
  const isRight = async (id: string, members: readonly Person[]) => {
    const online = members.filter(({ isOnline, rooms: own }) => isOnline && own.has(id));
    const [asking] = online;
    if (!asking) return true;
    const { users } = await untilDone(() => asking.client.call("chat.presence", { id }));
    return String(users) === String(online.map((one) => one.id).toSorted());
  };
  for (;;) {
    const wrong: string[] = [];
    for (const [id, members] of rooms) if (!(await isRight(id, members))) wrong.push(id);
    if (wrong.length === 0 || Date.now() > deadline) return wrong.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Counts of unread messages that differ from those in the client's own messages. */
export async function countWrongUnread(people: readonly Person[]): Promise<number> {
  let wrong = 0;
  for (const { client, id, rooms, isOnline } of people) {
    if (!isOnline) continue;
    const { items } = await untilDone(() => client.call("chat.rooms", {}));
    wrong += Math.abs(items.length - rooms.size);
    for (const { id: roomId, readSeq, unread } of items) {
      const expected = count(
        client.room(roomId).messages,
        ({ seq, userId, deletedAt }) => seq > readSeq && userId !== id && deletedAt === null,
      );
      if (unread !== Math.min(expected, 1_000)) wrong += 1;
    }
  }
  return wrong;
}
