import { join } from "node:path";
import { Service, type ServiceBroker } from "moleculer";
import { ownContext } from "../../lib/context/own-context.ts";
import { implement } from "../../lib/contract/implement.ts";
import { database } from "../../mixins/database.ts";
import { queue } from "../../mixins/queue.ts";
import { type Rooms, socketRooms } from "../../mixins/rooms.ts";
import { every, timers } from "../../mixins/timers.ts";
import { contract } from "./chat.contract.ts";
import type { ChatDatabase, ChatDb } from "./chat.database.ts";
import { type ChatComponents, createComponents } from "./components.ts";
import { type Announcer, HEAD_INTERVAL, SEARCH_INTERVAL } from "./messages/announcer.ts";
import type { LogRepository } from "./messages/log.repository.ts";
import { messageActions } from "./messages/messages.actions.ts";
import { MessagesRepository } from "./messages/messages.repository.ts";
import { CHECK_INTERVAL, type RoomPresence } from "./presence/presence.ts";
import { BlocksRepository } from "./rooms/blocks.repository.ts";
import { memberActions } from "./rooms/members.actions.ts";
import { MembersRepository } from "./rooms/members.repository.ts";
import { forgetCursors } from "./rooms/rooms.repository.ts";
import { roomActions } from "./rooms/rooms.actions.ts";
import type { Usernames } from "./rooms/usernames.ts";

const LOBBY = "lobby";

/** The author of the application's own messages. No account can have this name. */
const OWN_NAME = "~citadel";

/** Announcements that were sent so shortly before NATS disconnected may be lost, in milliseconds. */
const LOST_BEFORE = 10_000;

/** Rooms, messages and presence. Only the gateways know which users are connected; they report it. */
export default class ChatService extends Service {
  declare db: ChatDb;
  declare rooms: Rooms<typeof contract>;
  declare announcer: Announcer;
  declare log: LogRepository;
  declare members: MembersRepository;
  declare presence: RoomPresence;
  declare usernames: Usernames;
  declare writer: ChatComponents["writer"];

  constructor(broker: ServiceBroker) {
    super(broker);
    const components = () => this as unknown as ChatComponents;
    let disconnectedAt: number | undefined;
    const onDisconnected = () => {
      disconnectedAt ??= Date.now();
    };
    const onConnected = () => {
      this.usernames.forgetAll();
      const age = Date.now() - (disconnectedAt ?? Date.now()) + LOST_BEFORE;
      disconnectedAt = undefined;
      this.announcer.announceHeads(age).catch(this.warn);
    };

    this.parseServiceSchema(
      implement<typeof contract, ChatDatabase>(
        contract,
        {
          actions: {
            ...roomActions(components),
            ...memberActions(components),
            ...messageActions(components),
            // the bus has verified the node id of the gateway
            watchRooms: async (ctx) => this.rooms.watch(ctx.nodeID ?? "", ctx.params),
            reportPresence: async (ctx) => ({
              isKnown: await this.presence.report(ctx.nodeID ?? "", ctx.params),
            }),
          },
          events: {
            // a search announces the greeting: a broadcast before the commit would be too early
            "user.created": async (ctx, trx) => {
              const text = `Welcome, ${ctx.params.username}!`;
              const greeting = { roomId: LOBBY, userId: null, username: OWN_NAME, text };
              await new MessagesRepository(trx).storeAll([
                { ...greeting, clientId: null, replyTo: null },
              ]);
            },
            "user.renamed": async (ctx) => {
              const { id } = ctx.params;
              this.usernames.forget(id);
              const username = await this.usernames.of(ctx, { sub: id, username: "" });
              if (username !== "") await this.members.rename(id, username);
            },
            // the end of the user's sessions closes the sockets
            "user.removed": async (ctx, trx) => {
              await new MembersRepository(trx).remove(trx, ctx.params.id);
              await new BlocksRepository(trx).forget(trx, ctx.params.id);
              await forgetCursors(trx, ctx.params.id);
            },
          },
        },
        {
          mixins: [
            timers,
            queue(contract),
            socketRooms(contract),
            database({ schema: "chat", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            const own = ownContext(this);
            const { db, rooms } = this;
            Object.assign(this, createComponents({ db, rooms, own, onError: this.warn }));
            every(this, SEARCH_INTERVAL, () => this.announcer.search());
            every(this, HEAD_INTERVAL, () => this.announcer.repeatHeads());
            every(this, CHECK_INTERVAL, () => this.presence.check());
            broker.localBus.on("$transporter.disconnected", onDisconnected);
            broker.localBus.on("$transporter.connected", onConnected);
          },
          stopped: async () => {
            broker.localBus.off("$transporter.disconnected", onDisconnected);
            broker.localBus.off("$transporter.connected", onConnected);
            // undefined if the start failed
            await this.announcer?.flush().catch(this.warn);
          },
        },
      ),
    );
  }

  private readonly warn = (error: unknown): void =>
    this.logger.warn({ err: error }, "A chat task failed. It is repeated.");
}
