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

  /** The messages that it has broadcast, as clients receive them. */
  const announced = () =>
    chat.emitted("chat.message").map(({ epoch: _epoch, ...message }) => message);

  it("stores a message with the user's current name and broadcasts it", async () => {
    const message = await chat.call("chat.send", { id: "lobby", text: "Hello" });
    expect(message).toMatchObject({ seq: 1, userId: ALICE.sub, username: "alice-now" });
    expect(announced()).toEqual([message]);
  });

  it("asks once for the name of a user who sends several messages, and again after user.renamed", async () => {
    const as = { ...ALICE, sub: randomUUID() };
    const send = () => chat.call("chat.send", { id: "lobby", text: "Hello" }, { as });
    const asked = () => chat.callsOf("users.name").filter(({ id }) => id === as.sub).length;
    await Promise.all([send(), send()]);
    await send();
    expect(asked()).toBe(1);
    await chat.receive("user.renamed", { id: as.sub });
    await send();
    expect(asked()).toBe(2);
    // after a disconnection: events may have been lost
    await chat.instance.broker.broadcastLocal("$transporter.connected", {});
    await send();
    expect(asked()).toBe(3);
  });

  it("stores a message once for each clientId and broadcasts it once", async () => {
    const send = () => chat.call("chat.send", { id: "lobby", text: "Once", clientId: "1" });
    const stored = await send();
    expect(await send()).toEqual(stored);
    const texts = chat.emitted("chat.message").map(({ text }) => text);
    expect(texts.filter((text) => text === "Once")).toHaveLength(1);
  });

  it("stores equal clientIds that arrive at once as one message and broadcasts it once", async () => {
    const send = () => chat.call("chat.send", { id: "lobby", text: "Again", clientId: "2" });
    const [first, ...others] = await Promise.all([send(), send(), send()]);
    expect(others).toEqual([first, first]);
    const texts = chat.emitted("chat.message").map(({ text }) => text);
    expect(texts.filter((text) => text === "Again")).toHaveLength(1);
  });

  it("stores and broadcasts messages in the order in which they arrive", async () => {
    const texts = Array.from({ length: 250 }, (_, at) => `message ${at}`);
    // more than one statement stores, and no more than run at once
    const sent = await Promise.all(
      texts.map((text) => chat.call("chat.send", { id: "lobby", text })),
    );
    const first = sent[0]!.seq;
    expect(sent.map(({ seq }) => seq)).toEqual(texts.map((_, at) => first + at));
    expect(announced().slice(-250)).toEqual(sent);
  });

  it("refuses only the message that cannot be stored", async () => {
    const store = (text: string) =>
      chat.instance.writer.store({
        roomId: "lobby",
        userId: ALICE.sub,
        username: "alice",
        text,
        clientId: null,
        replyTo: null,
      });
    const results = await Promise.allSettled(["before", "a\0b", "after"].map(store));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const { items } = await chat.call("chat.messages", { id: "lobby", after: 0, limit: 100 });
    expect(items.map(({ seq }) => seq)).toEqual(items.map((_, at) => at + 1));
  });

  it("answers NotFound for a message to a room that does not exist, and goes on storing", async () => {
    const send = (id: string) => chat.call("chat.send", { id, text: "Hello" });
    const results = await Promise.allSettled(["attic", "lobby", "attic"].map(send));
    expect(results).toMatchObject([
      { reason: { type: "NotFound" } },
      { status: "fulfilled" },
      { reason: { type: "NotFound" } },
    ]);
  });

  it("answers NotFound for a room that does not exist", async () => {
    await expect(chat.call("chat.messages", { id: "attic" })).rejects.toMatchObject({
      type: "NotFound",
    });
  });

  it("greets a new account in the lobby", async () => {
    await chat.receive("user.created", { id: randomUUID(), username: "bob" });
    await expect
      .poll(() => chat.emitted("chat.message").at(-1))
      .toMatchObject({ roomId: "lobby", userId: null, text: "Welcome, bob!" });
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
