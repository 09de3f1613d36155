import { io } from "socket.io-client";
import { afterEach, beforeEach } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/index.ts";
import { FakeChat } from "./chat.ts";

/** A fake server for each test, and clients of it. */
export function useChat() {
  let clients: Client[] = [];
  const context = {
    chat: undefined as unknown as FakeChat,
    url: "",
    /** A signed-in client. */
    async client(username = "alice", options: Partial<ClientOptions> = {}): Promise<Client> {
      const client = createClient({
        url: context.url,
        io,
        socketOptions: { reconnectionDelay: 20, reconnectionDelayMax: 50 },
        ackTimeout: 300,
        ...options,
      });
      clients.push(client);
      if (!client.user) await client.signIn(username, "a good password");
      return client;
    },
  };
  beforeEach(async () => {
    context.chat = new FakeChat();
    context.url = await context.chat.start();
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    clients = [];
    await context.chat.stop();
  });
  return context;
}
