import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import ChatService from "../../services/chat/chat.service.ts";
import { MessageWriter } from "../../services/chat/messages/message-writer.ts";
import {
  MessagesRepository,
  type NewMessage,
} from "../../services/chat/messages/messages.repository.ts";
import { application } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";

describe.skipIf(isMissing)("Two chat nodes that store messages at the same time", () => {
  const app = application({});

  /** The writers of two nodes. */
  const makeWriters = () => {
    const { db } = app.instance(ChatService);
    return [0, 1].map(() => new MessageWriter(new MessagesRepository(db)));
  };

  const makeRoom = async () => {
    const id = randomUUID();
    await app
      .instance(ChatService)
      .db.insertInto("rooms")
      .values({ id, name: "", private: false, kind: "lobby" })
      .execute();
    return id;
  };

  const makeMessage = (roomId: string, given: Partial<NewMessage> = {}): NewMessage => ({
    roomId,
    userId: randomUUID(),
    username: "alice",
    text: "Hello",
    clientId: null,
    replyTo: null,
    ...given,
  });

  const stored = async (roomId: string) =>
    new MessagesRepository(app.instance(ChatService).db).listAfter(roomId, 0, 10_000);

  const countTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1);

  it("number them without a gap, each node in the order in which it was asked", async () => {
    const roomId = await makeRoom();
    const seqs = await Promise.all(
      makeWriters().map((writer) =>
        Promise.all(
          countTo(500).map(async () => (await writer.store(makeMessage(roomId)))!.message.seq),
        ),
      ),
    );
    for (const ofNode of seqs) expect(ofNode).toEqual(ofNode.toSorted((a, b) => a - b));
    expect(seqs.flat().toSorted((a, b) => a - b)).toEqual(countTo(1_000));
    expect((await stored(roomId)).map(({ seq }) => seq)).toEqual(countTo(1_000));
  });

  it("store equal clientIds of a user once, without a gap, and both return that message", async () => {
    const roomId = await makeRoom();
    const writers = makeWriters();
    const userId = randomUUID();
    for (let round = 0; round < 30; round++) {
      const results = await Promise.all(
        writers.flatMap((writer) =>
          countTo(5).map((number) =>
            writer.store(makeMessage(roomId, { userId, clientId: `${round} ${number % 4}` })),
          ),
        ),
      );
      for (const number of countTo(4)) {
        const same = results.filter((one) => one!.message.clientId === `${round} ${number % 4}`);
        expect(same.filter((one) => one!.isNew)).toHaveLength(1);
        for (const one of same) expect(one!.message).toEqual(same[0]!.message);
      }
    }
    expect((await stored(roomId)).map(({ seq }) => seq)).toEqual(countTo(120));
  });

  it("do not wait for each other for ever if each has the other's clientIds in the opposite order", async () => {
    const rooms = [await makeRoom(), await makeRoom()];
    const writers = makeWriters();
    const userId = randomUUID();
    for (let round = 0; round < 20; round++) {
      const clientIds = countTo(100).map((number) => `${round} ${number}`);
      const orders = [clientIds, clientIds.toReversed()];
      const results = await Promise.all(
        writers.flatMap((writer, at) =>
          orders[at]!.map((clientId) =>
            writer.store(makeMessage(rooms[at]!, { userId, clientId })),
          ),
        ),
      );
      expect(results.filter((one) => one!.isNew)).toHaveLength(100);
    }
    const counts = await Promise.all(rooms.map(async (room) => (await stored(room)).length));
    expect(counts[0]! + counts[1]!).toBe(2_000);
    for (const [at, room] of rooms.entries())
      expect((await stored(room)).map(({ seq }) => seq)).toEqual(countTo(counts[at]!));
  });
});
