import type { ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { as, chunks, nodeOf, TestBus } from "../helpers/bus.ts";

/** The chunks of each stream. */
const COUNT = 8;
const SIZE = 3_000;
/** Within this time the loss of a frame is noticed, in milliseconds. */
const BOUND = 30_000;

async function lengthOf(stream: AsyncIterable<Buffer>): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  return length;
}

describe("A stream on a bus that drops one frame", { timeout: 3 * BOUND }, () => {
  // above the bound: a call that times out would hide what the loss leads to
  const bus = new TestBus({ broker: { requestTimeout: 2 * BOUND } });
  let drop: (index: number) => boolean = () => false;
  let sent = 0;
  let isCounting = false;
  let sender: ServiceBroker;
  let receiver: ServiceBroker;

  beforeAll(async () => {
    await bus.createGuard().start();
    receiver = await bus.start("b");
    sender = await bus.start("a", {
      intercept(frame, topic) {
        // no other frame between the two nodes is as large
        const isChunk = frame[1] === 1 && topic.endsWith(receiver.nodeID) && frame.length > 2_000;
        if (!isCounting || !isChunk) return [frame];
        return drop(sent++) ? [] : [frame];
      },
    });
  });
  afterAll(() => bus.stop());

  const upload = () =>
    as(sender, (ctx) => {
      const stream = chunks({ count: COUNT, size: SIZE, pause: 20 });
      return ctx.call<number, object>("b.upload", {}, { stream } as object);
    });
  const download = () =>
    as(receiver, async (ctx) => {
      const params = { count: COUNT, size: SIZE, pause: 20 };
      return lengthOf(await ctx.call<AsyncIterable<Buffer>, object>("a.download", params));
    });

  it("delivers every byte in both directions while no frame is dropped", async () => {
    isCounting = true;
    expect(await upload()).toBe(COUNT * SIZE);
    expect(await download()).toBe(COUNT * SIZE);
    expect(sent).toBe(2 * COUNT);
  });

  it.each([
    ["in the middle", 3],
    ["at the end", COUNT - 1],
  ])("ends with an error in both directions within 30 s: %s", async (_where, at) => {
    isCounting = true;
    const dropped = new Set([at, at + COUNT]);
    // both directions together: the test waits once
    sent = 0;
    drop = (index) => dropped.has(index);
    const startedAt = performance.now();
    const uploaded = upload();
    await expect.poll(() => sent).toBe(COUNT);
    const downloaded = download();
    const results = await Promise.allSettled([uploaded, downloaded]);
    expect(sent).toBe(2 * COUNT);
    expect(performance.now() - startedAt).toBeLessThan(BOUND);
    for (const result of results)
      expect(String((result as PromiseRejectedResult).reason)).toMatch(/was lost on the bus/);
    drop = () => false;
    // the channel of the two nodes still works
    expect(await as(sender, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    expect(nodeOf(receiver).bus?.peers.of(sender.nodeID)).toBeDefined();
  });
});
