import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { groupPermissions } from "../../../lib/tokens/access-token.ts";
import ChatService from "../../../services/chat/chat.service.ts";
import { startService } from "../../fixtures/service.ts";

const ALICE = {
  sub: randomUUID(),
  username: "alice",
  permissions: groupPermissions(["chat:write"]),
};
const ADMIN = { permissions: groupPermissions(["chat:announce"]) };

describe("The chat service", () => {
  const chat = startService(ChatService, {
    as: ALICE,
    calls: { "users.name": ({ id }) => ({ username: id === ALICE.sub ? "alice-now" : "other" }) },
  });

  it("stores a message with the user's current name and broadcasts it", async () => {
    const message = await chat.call("chat.send", { id: "lobby", text: "Hello" });
    expect(message).toMatchObject({ seq: 1, userId: ALICE.sub, username: "alice-now" });
    expect(chat.emitted("chat.message")).toEqual([message]);
  });

  it("stores a message once for each clientId and broadcasts it once", async () => {
    const send = () => chat.call("chat.send", { id: "lobby", text: "Once", clientId: "1" });
    const stored = await send();
    expect(await send()).toEqual(stored);
    const texts = chat.emitted("chat.message").map(({ text }) => text);
    expect(texts.filter((text) => text === "Once")).toHaveLength(1);
  });

  it("answers NotFound for a room that does not exist", async () => {
    await expect(chat.call("chat.messages", { id: "attic" })).rejects.toMatchObject({
      type: "NotFound",
    });
  });

  it("greets a new account in the lobby", async () => {
    await chat.receive("user.created", { id: randomUUID(), username: "bob" });
    expect(chat.emitted("chat.message").at(-1)).toMatchObject({
      roomId: "lobby",
      userId: null,
      text: "Welcome, bob!",
    });
  });

  it("broadcasts an announcement of a user with the permission chat:announce", async () => {
    const announcement = { text: "Back in five minutes." };
    await expect(chat.call("chat.sendMessageToAll", announcement)).rejects.toMatchObject({
      type: "UserNotAuthorized",
    });
    await chat.call("chat.sendMessageToAll", announcement, { as: ADMIN });
    expect(chat.emitted("chat.announcement")).toMatchObject([announcement]);
  });
});
