import type { Examples } from "../../lib/contract/examples.ts";
import type { contract } from "./chat.contract.ts";

const MESSAGE_EXAMPLE = {
  id: "3b5ad047-9f0c-4c43-b1e7-51d6e4a8f1c2",
  roomId: "lobby",
  seq: 3,
  userId: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
  username: "alice",
  text: "Hello Bob",
  timestamp: "2026-11-21T22:35:17.020Z",
  clientId: "1",
};

/** For the OpenAPI document. */
export const examples: Examples<typeof contract> = {
  rooms: {
    result: {
      items: [{ id: "lobby", name: "Lobby", private: false, seq: 3 }],
      nextCursor: null,
    },
  },
  messages: {
    params: { id: "lobby", after: 2, limit: 50 },
    result: { items: [MESSAGE_EXAMPLE], nextCursor: null },
  },
  send: {
    params: { id: "lobby", text: "Hello Bob", clientId: "1" },
    result: MESSAGE_EXAMPLE,
  },
  join: {
    params: { id: "lobby", after: 2 },
    result: { messages: [MESSAGE_EXAMPLE], seq: 3 },
  },
  leave: { params: { id: "lobby" } },
  sendMessageToAll: { params: { text: "Back in five minutes." } },
};
