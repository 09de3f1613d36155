import type { Caller } from "../../lib/contract/calls.ts";
import type { Handlers } from "../../lib/contract/handlers.ts";
import type { Rooms } from "../../mixins/rooms.ts";
import type { contract } from "./chat.contract.ts";
import type { ChatDatabase, ChatDb } from "./chat.database.ts";
import { Announcer } from "./messages/announcer.ts";
import { LogRepository } from "./messages/log.repository.ts";
import { MessageWriter } from "./messages/message-writer.ts";
import { MessagesRepository } from "./messages/messages.repository.ts";
import { RoomPresence } from "./presence/presence.ts";
import { Access } from "./rooms/access.ts";
import { BlocksRepository } from "./rooms/blocks.repository.ts";
import { MembersRepository } from "./rooms/members.repository.ts";
import { RoomsRepository } from "./rooms/rooms.repository.ts";
import { Usernames } from "./rooms/usernames.ts";

/** What the service's actions work with. */
export interface ChatComponents {
  readonly db: ChatDb;
  readonly rooms: Rooms<typeof contract>;
  readonly access: Access;
  readonly announcer: Announcer;
  readonly blocks: BlocksRepository;
  readonly log: LogRepository;
  readonly members: MembersRepository;
  readonly messages: MessagesRepository;
  readonly presence: RoomPresence;
  readonly roomsOfUsers: RoomsRepository;
  readonly usernames: Usernames;
  readonly writer: MessageWriter;
}

/** The components that a group of actions uses. A function, since they exist only once the service has started. */
export type Components<Name extends keyof ChatComponents> = () => Pick<ChatComponents, Name>;

/** The handlers of some of the contract's actions. */
export type ChatActions<Name extends keyof Handlers<typeof contract>["actions"]> = Pick<
  Handlers<typeof contract, ChatDatabase>["actions"],
  Name
>;

interface Foundations {
  readonly db: ChatDb;
  readonly rooms: Rooms<typeof contract>;
  /** For what the node announces on its own. */
  readonly own: Caller;
  /** Is told of a failed task that is repeated. */
  readonly onError: (error: unknown) => void;
}

export function createComponents({
  db,
  rooms,
  own,
  onError,
}: Foundations): Omit<ChatComponents, "db" | "rooms"> {
  const blocks = new BlocksRepository(db);
  const log = new LogRepository(db);
  const messages = new MessagesRepository(db);
  const roomsOfUsers = new RoomsRepository(db);
  return {
    access: new Access(roomsOfUsers, blocks),
    announcer: new Announcer({ log, rooms, own, onError }),
    blocks,
    log,
    members: new MembersRepository(db),
    messages,
    presence: new RoomPresence(db, (presence) => rooms.broadcast(own, "chat.presence", presence)),
    roomsOfUsers,
    usernames: new Usernames(),
    writer: new MessageWriter(messages),
  };
}
