import type { Service } from "moleculer";
import { contractsOf } from "../../../../lib/context/attachment.ts";

// Socket.IO has one set of room names. Each kind of room has its own prefix here, and the name of a service has no colon:
// an id that a service or a client chooses cannot name the room of another service, of a user or of a session.

const PREFIX = "room:";

/** The Socket.IO room of a service's room. */
export const roomOf = (service: string, id: string) => `${PREFIX}${service}:${id}`;

/** The Socket.IO room of all sockets. A socket that is being closed leaves it, as it leaves all others. */
export const ROOM_OF_ALL = "all";

/** The Socket.IO room of all sockets of a user. */
export const roomOfUser = (userId: string) => `user:${userId}`;

/** The Socket.IO room of all sockets of a session. */
export const roomOfSession = (sid: string) => `session:${sid}`;

/** The service and the id behind a Socket.IO room; undefined: it is not a service's room. */
export function readRoom(room: string): { owner: string; id: string } | undefined {
  if (!room.startsWith(PREFIX)) return undefined;
  const [owner = "", ...id] = room.slice(PREFIX.length).split(":");
  return { owner, id: id.join(":") };
}

/** The rooms that every socket is in. */
export const roomsOfEveryone = ({ broker }: Pick<Service, "broker">): string[] =>
  [...contractsOf(broker).values()].flatMap(({ name, rooms }) =>
    (rooms?.everyone ?? []).map((id) => roomOf(name, id)),
  );
