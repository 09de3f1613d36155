import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Change, type Entry, type Message, RoomLog } from "../src/room-log.ts";
import { Room as FakeRoom } from "./helpers/log.ts";

const seqs = (entries: readonly { seq: number }[]) => entries.map(({ seq }) => seq);
const texts = (log: RoomLog) => log.messages.map(({ text }) => text);

/** A room with messages 1 and 2, an edit of 1, message 4, the deletion of 2. */
const example = () => {
  const room = new FakeRoom();
  room.send("one");
  room.send("two");
  room.edit(1, "one!");
  room.send("four");
  room.remove(2);
  return room;
};

describe("A room log", () => {
  it("gives out entries in order, each once, and holds those after a missing number", () => {
    const { live } = example();
    const log = new RoomLog({ after: 0 });
    expect(seqs(log.add([live[2]!, live[1]!]))).toEqual([]);
    expect(log.gap).toEqual({ from: 1, to: 1 });
    expect(seqs(log.add([live[0]!]))).toEqual([1, 2, 3]);
    expect(seqs(log.add(live))).toEqual([4, 5]);
    expect(seqs(log.add(live))).toEqual([]);
    expect(log).toMatchObject({ last: 5, head: 5, gap: undefined });
  });

  it("applies edits and deletions", () => {
    const room = example();
    const log = new RoomLog({ after: 0 });
    log.add(room.live);
    expect(texts(log)).toEqual(["one!", "", "four"]);
    expect(log.messages).toEqual(room.state);
  });

  it("keeps a deleted message deleted when an edit from before arrives", () => {
    const room = new FakeRoom();
    room.send("one");
    const edit = room.edit(1, "one!");
    const removal = room.remove(1);
    const log = new RoomLog({ after: 0 });
    // the message in its current state, which is deleted
    log.addPage({ messages: [room.state[0]!], changes: [], through: 1 }, 0);
    log.add([edit]);
    expect(texts(log)).toEqual([""]);
    log.add([removal]);
    expect(log.messages).toEqual(room.state);
  });

  it("goes on after the end of a page although the page lacks numbers", () => {
    const room = example();
    const log = new RoomLog({ after: 0 });
    const page = { messages: [room.state[0]!], changes: [], through: 4 };
    log.add([room.live[4]!]);
    expect(seqs(log.addPage(page, 0))).toEqual([1, 5]);
    expect(log.gap).toBeUndefined();
  });

  it("does not skip numbers because of a page that was read after a later number", () => {
    const room = example();
    const log = new RoomLog({ after: 0 });
    expect(seqs(log.addPage({ messages: [room.state[2]!], changes: [], through: 5 }, 3))).toEqual(
      [],
    );
    expect(log.gap).toEqual({ from: 1, to: 3 });
  });

  it("has a gap up to a number that the room has given", () => {
    const log = new RoomLog({ after: 3 });
    log.noteHead(7);
    expect(log.gap).toEqual({ from: 4, to: 7 });
    log.noteHead(2);
    expect(log.head).toBe(7);
  });

  it("holds everything before it has begun", () => {
    const { live } = example();
    const log = new RoomLog();
    expect(log.add(live)).toEqual([]);
    expect(log).toMatchObject({ last: undefined, gap: undefined, messages: [] });
    expect(seqs(log.reset(3))).toEqual([4, 5]);
  });

  it("discards what it has when it begins after a later number", () => {
    const { live } = example();
    const log = new RoomLog({ after: 0 });
    log.add(live.slice(0, 2));
    log.add([live[4]!]);
    expect(seqs(log.reset(4))).toEqual([5]);
    expect(log.messages).toEqual([]);
  });

  it("keeps the newest messages, and those of the history that were added", () => {
    const room = new FakeRoom();
    for (let i = 1; i <= 20; i++) room.send(`${i}`);
    const log = new RoomLog({ after: 10, keep: 5 });
    log.add(room.live.slice(10, 15));
    log.addOlder(room.state.slice(5, 10));
    log.addOlder(room.state.slice(5, 12));
    expect(seqs(log.messages)).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    log.add(room.live.slice(15));
    expect(seqs(log.messages)).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  });

  it("holds a limited number of entries, and reads the others again", () => {
    const room = new FakeRoom();
    for (let i = 1; i <= 20; i++) room.send(`${i}`);
    const log = new RoomLog({ after: 0, keep: 5 });
    for (const entry of room.live.slice(1)) log.add([entry]);
    expect(seqs(log.add([room.live[0]!]))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(log.gap).toEqual({ from: 7, to: 20 });
  });

  it("applies later changes to messages of the history that were read before", () => {
    const room = example();
    const before = room.state[0]!;
    const change = room.edit(1, "one again");
    const log = new RoomLog({ after: 5 });
    log.add([change]);
    log.addOlder([before]);
    expect(texts(log)).toEqual(["one again"]);
  });

  it("returns the same list of messages until it changes", () => {
    const { live } = example();
    const log = new RoomLog({ after: 0 });
    log.add(live.slice(0, 1));
    const { messages } = log;
    log.add(live.slice(0, 1));
    expect(log.messages).toBe(messages);
    log.add(live.slice(1, 2));
    expect(log.messages).not.toBe(messages);
  });
});

/** What happens to a room, and what reaches the client. */
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("edit" as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), which: fc.nat(20) }) },
    // late, repeated, or out of order
    { weight: 6, arbitrary: fc.record({ do: fc.constant("deliver" as const), which: fc.nat(60) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("page" as const),
        size: fc.integer({ min: 1, max: 9 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("history" as const),
        size: fc.integer({ min: 1, max: 9 }),
      }),
    },
    // a response that was read earlier and arrives now
    { weight: 1, arbitrary: fc.record({ do: fc.constant("latePage" as const) }) },
  ),
  { maxLength: 120 },
);

describe("Any log of a room, delivered in any way", () => {
  it("gives every entry out once and in order, and ends in the room's state", () => {
    fc.assert(
      fc.property(steps, fc.nat(5), (all, start) => {
        const room = new FakeRoom();
        for (let i = 0; i < start; i++) room.send(`before ${i}`);
        const log = new RoomLog({ after: start });
        const given: Entry[] = [];
        let late = { page: room.page(start, 5), after: start };
        for (const step of all) {
          const messageSeq = "which" in step ? room.state[step.which]?.seq : undefined;
          if (step.do === "send") room.send(`text ${room.head}`);
          else if (step.do === "edit" && messageSeq) room.edit(messageSeq, `edit ${room.head}`);
          else if (step.do === "remove" && messageSeq) room.remove(messageSeq);
          else if (step.do === "deliver") {
            const entry = room.live[step.which];
            if (entry) given.push(...log.add([entry]));
          } else if (step.do === "page") {
            late = { page: room.page(log.last!, step.size), after: log.last! };
            given.push(...log.addPage(late.page, late.after));
          } else if (step.do === "history") log.addOlder(room.history(start + 1, step.size));
          else if (step.do === "latePage") given.push(...log.addPage(late.page, late.after));
        }
        while (log.last! < room.head)
          given.push(...log.addPage(room.page(log.last!, 7), log.last!));
        expect(seqs(given)).toEqual(seqs(room.live.slice(start)));
        const [first] = log.messages;
        expect(log.messages).toEqual(
          room.state.filter(({ seq }) => seq >= (first?.seq ?? Infinity)),
        );
        expect(log.messages.filter(({ seq }) => seq > start)).toHaveLength(
          room.state.filter(({ seq }) => seq > start).length,
        );
        expect(log.gap).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });
});

// both kinds of entries satisfy the types of the contract
export type Checked = [Message, Change];
