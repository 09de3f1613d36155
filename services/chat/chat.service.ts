import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import type { Caller } from "../../lib/contract/calls.ts";
import type { Jobs } from "../../lib/contract/durable.ts";
import { implement } from "../../lib/contract/implement.ts";
import { database } from "../../mixins/database.ts";
import { queue } from "../../mixins/queue.ts";
import { contract } from "./chat.contract.ts";
import {
  ChatRepository,
  type Message,
  type NewMessage,
  type ChatDatabase,
  noSuchRoom,
} from "./chat.repository.ts";
import { MessageWriter } from "./message-writer.ts";
import { Usernames } from "./usernames.ts";

const LOBBY = "lobby";

/** The author of the application's own messages. No account can have this name. */
const OWN_NAME = "~citadel";

/** The most messages that joining a room returns. */
const MAX_MISSED = 100;

/** Rooms and messages. Only the gateways know which users are connected. */
export default class ChatService extends Service {
  declare db: Kysely<ChatDatabase>;
  declare jobs: Jobs<typeof contract>;
  declare chat: ChatRepository;
  declare writer: MessageWriter;

  constructor(broker: ServiceBroker) {
    super(broker);
    const usernames = new Usernames();
    const forgetAll = () => usernames.forgetAll();

    /** Stores a message, then broadcasts it: no client receives a message that is not stored. */
    const send = async (ctx: Caller, sent: NewMessage): Promise<Message> => {
      const { message, isNew } = await this.writer.store(sent);
      if (isNew) await ctx.broadcast("chat.message", message);
      return message;
    };

    this.parseServiceSchema(
      implement<typeof contract, ChatDatabase>(
        contract,
        {
          actions: {
            rooms: async () => ({ items: await this.chat.publicRooms(), nextCursor: null }),

            messages: async (ctx) => {
              const { id, after, limit } = ctx.params;
              await this.chat.publicRoom(id);
              const items = await this.chat.messagesAfter(id, after, limit);
              const last = items.length === limit ? items.at(-1) : undefined;
              return { items, nextCursor: last ? String(last.seq) : null };
            },

            send: async (ctx) => {
              const { id, text, clientId = null } = ctx.params;
              const { sub } = ctx.locals.user;
              const username = await usernames.of(ctx, ctx.locals.user);
              return send(ctx, { roomId: id, userId: sub, username, text, clientId });
            },

            mayJoin: async ({ params: { id } }) => {
              await this.chat.publicRoom(id);
            },

            join: async ({ params: { id, after } }) => {
              const { seq } = await this.chat.publicRoom(id);
              if (after === undefined) return { messages: [], seq };
              return { messages: await this.chat.messagesAfter(id, after, MAX_MISSED), seq };
            },

            // the gateway has removed the socket from the room
            leave: async () => {},

            sendMessageToAll: async (ctx) => {
              const { text } = ctx.params;
              await ctx.broadcast("chat.announcement", {
                text,
                timestamp: new Date().toISOString(),
              });
            },
          },
          events: {
            "user.created": async (ctx, trx) => {
              const text = `Welcome, ${ctx.params.username}!`;
              const greeting = { userId: null, username: OWN_NAME, text, clientId: null };
              const chat = new ChatRepository(trx);
              const [stored] = await chat.storeAll(LOBBY, [{ roomId: LOBBY, ...greeting }]);
              if (!stored) throw noSuchRoom();
              const { seq } = stored.message;
              await this.jobs.send(trx, "announce", { roomId: LOBBY, seq });
            },
            "user.renamed": async (ctx) => usernames.forget(ctx.params.id),
          },
          jobs: {
            announce: async (ctx) => {
              const { roomId, seq } = ctx.params;
              const message = await this.chat.messageWith(roomId, seq);
              if (message) await ctx.broadcast("chat.message", message, { throwError: true });
            },
          },
        },
        {
          mixins: [
            queue(contract),
            database({ schema: "chat", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            this.chat = new ChatRepository(this.db);
            this.writer = new MessageWriter(this.chat);
            broker.localBus.on("$transporter.connected", forgetAll);
          },
          stopped: () => {
            broker.localBus.off("$transporter.connected", forgetAll);
          },
        },
      ),
    );
  }
}
