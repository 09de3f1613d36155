import { randomUUID } from "node:crypto";
import { httpFigures } from "../harness/http-side.ts";
import {
  type Database,
  databaseServer,
  WITHOUT_DATABASE,
  withDatabase,
} from "../harness/postgres.ts";
import { startChild } from "../harness/processes.ts";
import { type Figure, interleave, rowsOf } from "../harness/rounds.ts";
import { ACCEPTED, BARE, PROCESSES, startBare, startChat } from "../harness/socket-sides.ts";
import { type BenchContext, OURS, type Row, type Suite } from "../harness/suite.ts";
import { sum } from "../harness/usage.ts";
import type { SocketsLoad, SocketsOutcome } from "../load/sockets-load.ts";

// Messages in private rooms, each of which has a few sockets.

const ROOMS = 20;
const MEMBERS = 10;
const TEXT = "What a message costs that ten sockets receive.";

const SUBJECT = `messages in ${ROOMS} private rooms of ${MEMBERS} sockets, ${ROOMS} senders`;

interface Side extends Pick<SocketsLoad, "url" | "tokens" | "processes"> {
  name: string;
  rooms: readonly string[];
}

async function run(context: BenchContext): Promise<Row[]> {
  const server = databaseServer();
  if (server === undefined) {
    context.progress.line(WITHOUT_DATABASE);
    return [];
  }
  return withDatabase(server, (database) => measure(context, database));
}

async function measure(context: BenchContext, database: Database): Promise<Row[]> {
  const { progress, quick } = context;
  const sides = await progress.step("the sides start, and users sign in", async () => [
    await startOurs(context, database),
    ...(context.includes(BARE, true) ? [await bareSide()] : []),
  ]);
  if (context.hold) {
    await context.hold(sides);
    return [];
  }
  const load = await startChild<SocketsLoad, SocketsOutcome>(
    new URL("../load/sockets-node.ts", import.meta.url),
  );
  const send = ({ rooms, ...side }: Side, duration: number) =>
    load.ask({
      ...side,
      sockets: ROOMS * MEMBERS,
      joins: rooms.map((roomId) => ["room:join", { roomId }]),
      // the first sockets are in different rooms
      senders: ROOMS,
      events: rooms.map((roomId) => ["message", { roomId, text: TEXT }]),
      accepted: ACCEPTED,
      leadIn: 250,
      duration,
    });
  await progress.step("warm-up", async () => {
    for (const side of sides) await send(side, quick ? 2_000 : 4_000);
  });
  const size = quick ? { rounds: 4, duration: 600 } : { rounds: 15, duration: 1_000 };
  const measured = await interleave(
    context,
    { ...size, sides },
    (side) => send(side, size.duration),
    ({ count, seconds, cpu }) =>
      `${(count / seconds).toFixed(0)}/s ${sum(Object.values(cpu)).toFixed(0)} µs`,
  );
  await load.stop();
  return rowsOf(SUBJECT, measured, FIGURES, { [BARE]: { deliveries: { atLeast: 0.5 } } });
}

const FIGURES: Figure<SocketsOutcome>[] = [
  { name: "deliveries", unit: "/s", of: ({ deliveries, seconds }) => deliveries / seconds },
  ...httpFigures(PROCESSES, "messages"),
];

async function startOurs(context: BenchContext, database: Database): Promise<Side> {
  const { application, processes } = await startChat(context, database);
  const tokens = await application.signInAll(ROOMS * MEMBERS);
  const rooms = Array.from({ length: ROOMS }, () => randomUUID());
  await createRooms(database, rooms, tokens);
  return { name: OURS, url: application.url, tokens, processes, rooms };
}

/** Creates rooms in the database; the users become members of them in turn. */
async function createRooms(
  { query }: Database,
  rooms: readonly string[],
  tokens: readonly string[],
): Promise<void> {
  const users = tokens.map(claimsOf);
  await query(
    `insert into chat.rooms (id, name, private) select id, 'Room', true from unnest($1::text[]) as room (id)`,
    [rooms],
  );
  await query(
    `insert into chat.members (room_id, user_id, username, role)
    select room_id, user_id, username, 'member' from unnest($1::text[], $2::uuid[], $3::text[])
    as member (room_id, user_id, username)`,
    [
      users.map((_, at) => rooms[at % rooms.length]),
      users.map(({ sub }) => sub),
      users.map(({ username }) => username),
    ],
  );
}

function claimsOf(token: string): { sub: string; username: string } {
  const [, payload = ""] = token.split(".");
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as ReturnType<typeof claimsOf>;
}

async function bareSide(): Promise<Side> {
  const { url, processes } = await startBare();
  const rooms = Array.from({ length: ROOMS }, () => randomUUID());
  return { name: BARE, url, tokens: [""], processes, rooms };
}

export const suite: Suite = {
  name: "rooms",
  order: 3.1,
  description: "messages in rooms of 10, beside socket.io",
  method: `${ROOMS * MEMBERS} sockets of as many users are connected to one gateway, ${MEMBERS} in each of ${ROOMS} private rooms. One member of each room
sends messages, one at a time, and the sockets in the room receive them. Citadel checks who may join and write, stores the messages
in PostgreSQL, and acknowledges them after the commit; each room has commits of its own. Bare socket.io is one process with
rooms of its own, knows no users and stores nothing.`,
  run,
};
