import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Channel } from "../../src/bus/channel.ts";
import { counterOf, OVERHEAD } from "../../src/bus/frame.ts";
import { makeNodeKey, type NodeKey, sharedSecret } from "../../src/bus/node-key.ts";
import { Outboxes, type Outgoing } from "../../src/bus/outbox.ts";
import { Peer } from "../../src/bus/peers.ts";
import { encodeRecords, RECORD, RECORD_HEADER, decodeRecords } from "../../src/bus/records.ts";
import { ReplayWindow, WINDOW } from "../../src/bus/replay-window.ts";

const [here, there] = [makeNodeKey(), makeNodeKey()];
const secret = sharedSecret(here, there.publicKey);
const channel = (nodeID: string, own: NodeKey, peer: Peer) =>
  new Channel({ namespace: "n", nodeID, own, peer, secret });
const pair = () =>
  [
    channel("a", here, new Peer("b", there.publicKey)),
    channel("b", there, new Peer("a", here.publicKey)),
  ] as const;
const content = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const record = fc.record({ type: fc.constantFrom(...Object.values(RECORD)), content });
const records = fc.array(record, { minLength: 1, maxLength: 20 });

describe("Records", () => {
  it("are decoded as they were encoded, and only if they are complete", () => {
    fc.assert(
      fc.property(records, fc.nat(), (list, cut) => {
        const plaintext = encodeRecords(list);
        const unpacked = decodeRecords(plaintext) ?? [];
        expect(unpacked.map(({ name, content: bytes }) => [RECORD[name], bytes])).toEqual(
          list.map(({ type, content: bytes }) => [type, bytes]),
        );
        const at = cut % plaintext.length;
        const part = decodeRecords(plaintext.subarray(0, at));
        expect((part ?? []).length).toBeLessThan(list.length);
      }),
    );
  });

  it("from random bytes are refused, or encode to the same bytes", () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const unpacked = decodeRecords(bytes);
        if (!unpacked) return;
        const list = unpacked.map(({ name, content: part }) => ({
          type: RECORD[name],
          content: part,
        }));
        expect(encodeRecords(list)).toEqual(bytes);
      }),
    );
  });
});

describe("A channel", () => {
  it("opens each frame once, in any order of arrival, and numbers them without a gap", () => {
    const frames = fc
      .array(content, { minLength: 1, maxLength: 50 })
      .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray([...list.keys()])));
    fc.assert(
      fc.property(frames, ([list, order]) => {
        const [from, to] = pair();
        const sealed = list.map((plaintext) => from.seal(plaintext));
        expect(sealed.map(counterOf)).toEqual(list.map((_, at) => at + 1));
        for (const at of order) {
          expect(to.open(sealed[at]!)).toEqual(list[at]);
          expect(to.open(sealed[at]!)).toBe("replayed");
          // the other direction has another key
          expect(from.open(sealed[at]!)).toBeTypeOf("string");
        }
      }),
    );
  });

  it("does not move its window for frames that its peer has not sealed", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), content, (counter, rest) => {
        const [from, to] = pair();
        expect(to.open(from.seal(rest))).toEqual(rest);
        const forged = Buffer.concat([from.seal(rest)]);
        if (counter === 2n) return;
        forged.writeBigUInt64BE(counter, 20);
        const before = [to.window.highest, to.window.missing];
        expect(to.open(forged)).toBeTypeOf("string");
        expect([to.window.highest, to.window.missing]).toEqual(before);
      }),
    );
  });
});

/** The same rule, implemented with a set of all counters. */
class NaiveWindow {
  readonly #seen = new Set<number>();
  highest = 0;

  accepts(counter: number): boolean {
    if (counter < 1 || counter <= this.highest - WINDOW || this.#seen.has(counter)) return false;
    this.#seen.add(counter);
    this.highest = Math.max(this.highest, counter);
    return true;
  }
}

describe("The replay window", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 3, arbitrary: fc.integer({ min: -1_100, max: 1_100 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 31, 32, 33, 1_023, 1_024, 1_055, 1_056, 1_057) },
  );
  const start = fc.constantFrom(0, 1, 1_000, 2 ** 31 - 40, 2 ** 32 - 2_000, 2 ** 32 - 1, 2 ** 40);

  it("accepts the same counters as a set of all counters does", () => {
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 400 }), (first, steps) => {
        const [window, naive] = [new ReplayWindow(), new NaiveWindow()];
        let seen = 0;
        let at = first;
        for (const by of steps) {
          const counter = Math.max(0, at + by);
          const isFresh = window.isFresh(counter);
          if (isFresh) window.mark(counter);
          expect(isFresh).toBe(naive.accepts(counter));
          if (isFresh) seen += 1;
          expect(window.highest).toBe(naive.highest);
          expect(window.missing).toBe(naive.highest - seen);
          at = naive.highest;
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("Outboxes", () => {
  it("keep the order for each receiver, and close a frame at 64 KB", async () => {
    const size = fc.oneof(fc.nat(300), fc.integer({ min: 20_000, max: 80_000 }));
    const turns = fc.array(fc.array(fc.tuple(fc.constantFrom("a", "b"), size), { maxLength: 12 }), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(turns, async (all) => {
        const frames: [string, readonly Outgoing[]][] = [];
        const outboxes = new Outboxes<string>((to, list) => {
          frames.push([to, list]);
          return Promise.resolve();
        });
        const added = new Map<string, Buffer[]>();
        const settled: Promise<void>[] = [];
        for (const turn of all) {
          for (const [to, length] of turn) {
            const bytes = Buffer.alloc(length);
            added.set(to, [...(added.get(to) ?? []), bytes]);
            settled.push(outboxes.add(to, { type: 1, content: bytes }));
          }
          await new Promise(setImmediate);
        }
        outboxes.flush();
        await Promise.all(settled);
        for (const [to, list] of added) {
          const got = frames.flatMap(([receiver, sent]) => (receiver === to ? sent : []));
          expect(got).toHaveLength(list.length);
          // comparing the buffers' identities is enough, and faster than comparing bytes
          expect(list.every((bytes, at) => got[at]?.content === bytes)).toBe(true);
        }
        for (const [, sent] of frames) {
          const bytes = sent.reduce(
            (sum, one) => sum + RECORD_HEADER + one.content.length,
            OVERHEAD,
          );
          expect(sent.length === 1 || bytes <= 65_536).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });
});
