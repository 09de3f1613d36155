import { randomUUID } from "node:crypto";

let seq = 0;

/** A message with the fields that Citadel's has. It is not stored. */
export const messageOf = ({ roomId = "lobby", text, clientId = null }) => ({
  id: randomUUID(),
  roomId,
  seq: ++seq,
  userId: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
  username: "alice",
  text,
  timestamp: new Date().toISOString(),
  clientId,
});
