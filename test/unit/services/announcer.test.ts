import { afterEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../../../services/chat/messages/messages.repository.ts";
import { ownContext } from "../../../lib/context/own-context.ts";
import { Announcer } from "../../../services/chat/messages/announcer.ts";
import ChatService from "../../../services/chat/chat.service.ts";
import { startService } from "../../fixtures/service.ts";

describe("The announcer", () => {
  const chat = startService(ChatService);
  afterEach(() => void vi.restoreAllMocks());

  /** Stores a message as a node that dies before it announces it. */
  const commit = async (text: string): Promise<Message> => {
    const stored = await chat.instance.writer.store({
      roomId: "lobby",
      userId: null,
      username: "~test",
      text,
      clientId: null,
      replyTo: null,
    });
    return stored!.message;
  };

  const announced = (text: string) =>
    chat.emitted("chat.message").filter((message) => message.text === text);

  const roomOf = () =>
    chat.instance.db
      .selectFrom("rooms")
      .selectAll()
      .where("id", "=", "lobby")
      .executeTakeFirstOrThrow();

  it("finds what was committed and not announced within two seconds, once, and marks it", async () => {
    const message = await commit("orphan");
    await expect
      .poll(() => announced("orphan"), { timeout: 2_000 })
      .toEqual([{ ...message, epoch: 0 }]);
    await expect.poll(async () => (await roomOf()).announced).toBe((await roomOf()).seq);
    await chat.instance.announcer.search();
    expect(announced("orphan")).toHaveLength(1);
  });

  it("announces edits and deletions, too", async () => {
    const message = await commit("to be edited");
    const { db, log } = chat.instance;
    for (const text of ["edited", null])
      await db
        .transaction()
        .execute((trx) => log.change(trx, message, { userId: crypto.randomUUID(), text }));
    await expect
      .poll(() => chat.emitted("chat.message.updated").at(-1))
      .toMatchObject({ id: message.id, messageSeq: message.seq, text: "", seq: message.seq + 1 });
    await expect
      .poll(() => chat.emitted("chat.message.deleted").at(-1))
      .toMatchObject({ id: message.id, messageSeq: message.seq, seq: message.seq + 2 });
  });

  it("does not move a mark backwards", async () => {
    await commit("first");
    await expect.poll(async () => (await roomOf()).announced).toBe((await roomOf()).seq);
    const { seq } = await roomOf();
    await chat.instance.log.markAnnounced(new Map([["lobby", seq - 1]]));
    expect((await roomOf()).announced).toBe(seq);
  });

  it("repeats a room's number twice", async () => {
    const heads: unknown[] = [];
    // the service's own announcer also repeats numbers at times of its own
    const announcer = new Announcer({
      log: chat.instance.log,
      rooms: {
        broadcast: async (_ctx, event, payload) => {
          if (event === "chat.room.head") heads.push(payload);
        },
      },
      own: ownContext(chat.instance),
      onError: () => {},
    });
    const message = await commit("head");
    await announcer.announce(ownContext(chat.instance), { message, epoch: 0 });
    for (let at = 0; at < 4; at++) await announcer.repeatHeads();
    const head = { roomId: "lobby", seq: message.seq, epoch: 0 };
    expect(heads).toEqual([head, head]);
    await announcer.flush();
  });

  it("announces the numbers of the rooms that have changed after NATS has reconnected", async () => {
    const before = chat.emitted("chat.room.head").length;
    const { seq } = await commit("outage");
    const { localBus } = chat.instance.broker;
    localBus.emit("$transporter.disconnected", {});
    localBus.emit("$transporter.connected", {});
    await expect
      .poll(() => chat.emitted("chat.room.head").slice(before))
      .toContainEqual({ roomId: "lobby", seq, epoch: 0 });
  });
});
