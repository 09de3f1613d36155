import { join } from "node:path";
import type { Kysely } from "kysely";
import { Service, type ServiceBroker } from "moleculer";
import type { Caller } from "../../lib/contract/calls.ts";
import { CitadelError } from "../../lib/errors/errors.ts";
import type { AccessTokenClaims } from "../../lib/tokens/access-token.ts";
import { implement } from "../../lib/contract/implement.ts";
import { database } from "../../mixins/database.ts";
import { contract } from "./chat.contract.ts";
import {
  ChatRepository,
  type Message,
  type NewMessage,
  type ChatDatabase,
} from "./chat.repository.ts";

const LOBBY = "lobby";
/** The name under which the house itself speaks; no account can have it. */
const HOUSE = "~citadel";

/** Rooms and messages. Whoever is connected, the api nodes know. */
export default class ChatService extends Service {
  declare db: Kysely<ChatDatabase>;
  declare chat: ChatRepository;

  constructor(broker: ServiceBroker) {
    super(broker);

    /** Stores a message, and only then tells every api node. */
    const say = async (ctx: Caller, said: NewMessage): Promise<Message> => {
      const { message, isNew } = await this.chat.store(said);
      if (isNew) await ctx.broadcast("chat.message", message);
      return message;
    };

    this.parseServiceSchema(
      implement<typeof contract>(
        contract,
        {
          actions: {
            rooms: async () => ({ items: await this.chat.rooms(), nextCursor: null }),

            messages: async (ctx) => {
              const { id, after, limit } = ctx.params;
              const items = await this.chat.messagesAfter(id, after, limit);
              if (!items) throw new CitadelError("NotFound", { message: "There is no such room." });
              const last = items.length === limit ? items.at(-1) : undefined;
              return { items, nextCursor: last ? String(last.seq) : null };
            },

            send: async (ctx) => {
              const { id, text, clientId = null } = ctx.params;
              const { sub } = ctx.locals.user;
              const username = await nameOf(ctx, ctx.locals.user);
              return say(ctx, { roomId: id, userId: sub, username, text, clientId });
            },

            sendMessageToAll: async (ctx) => {
              const { text } = ctx.params;
              await ctx.broadcast("chat.announcement", {
                text,
                timestamp: new Date().toISOString(),
              });
            },
          },
          events: {
            "user.created": async (ctx) => {
              const text = `Welcome, ${ctx.params.username}!`;
              await say(ctx, {
                roomId: LOBBY,
                userId: null,
                username: HOUSE,
                text,
                clientId: null,
              });
            },
          },
        },
        {
          mixins: [
            database({ schema: "chat", migrations: join(import.meta.dirname, "migrations") }),
          ],
          started: () => {
            this.chat = new ChatRepository(this.db);
          },
        },
      ),
    );
  }
}

/** A user's name now, which may be free for others as the access token has it; of others than users, the token's. */
async function nameOf(
  ctx: Caller,
  { sub, username }: Pick<AccessTokenClaims, "sub" | "username">,
): Promise<string> {
  try {
    return (await ctx.call("users.name", { id: sub })).username;
  } catch (error) {
    if (error instanceof CitadelError && error.type === "NotFound") return username;
    throw error;
  }
}
