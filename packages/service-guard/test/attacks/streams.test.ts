import type { ServiceBroker } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { as, chunks, nodeOf, TestBus } from "../helpers/bus.ts";

const COUNT = 8;

/** What `read` in the fixture does, for a response. */
async function lengthOf(stream: AsyncIterable<Buffer>): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  return length;
}

describe("A man in the middle who drops one frame of a stream", { timeout: 40_000 }, () => {
  const bus = new TestBus();
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
        // chunks are larger than what nodes tell each other meanwhile
        const isChunk = frame[1] === 1 && topic.endsWith(receiver.nodeID) && frame.length > 2_000;
        if (!isCounting || !isChunk) return [frame];
        return drop(sent++) ? [] : [frame];
      },
    });
  });
  afterAll(() => bus.stop());

  const upload = () =>
    as(sender, (ctx) => {
      const stream = chunks({ count: COUNT, size: 3_000, pause: 20 });
      return ctx.call<number, object>("b.upload", {}, { stream, timeout: 30_000 } as object);
    });
  const download = () =>
    as(receiver, async (ctx) => {
      const params = { count: COUNT, size: 3_000, pause: 20 };
      return lengthOf(await ctx.call<AsyncIterable<Buffer>, object>("a.download", params));
    });

  it("is told apart from nobody: without it both directions deliver every byte", async () => {
    isCounting = true;
    expect(await upload()).toBe(COUNT * 3_000);
    expect(await download()).toBe(COUNT * 3_000);
    expect(sent).toBe(2 * COUNT);
  });

  it.each([
    ["in the middle", 3],
    ["at the end", COUNT - 1],
  ])("makes an error of both directions within 30 s: %s", async (_where, at) => {
    isCounting = true;
    const dropped = new Set([at, at + COUNT]);
    // both at once, so that the test waits once
    sent = 0;
    drop = (index) => dropped.has(index);
    const startedAt = performance.now();
    const uploaded = upload();
    await expect.poll(() => sent).toBe(COUNT);
    const downloaded = download();
    const results = await Promise.allSettled([uploaded, downloaded]);
    expect(sent).toBe(2 * COUNT);
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    for (const result of results)
      expect(String((result as PromiseRejectedResult).reason)).toMatch(/was lost on the bus/);
    drop = () => false;
    // the channel lives on
    expect(await as(sender, (ctx) => ctx.call("b.echo", { x: 1 }))).toEqual({ x: 1 });
    expect(nodeOf(receiver).bus?.peers.of(sender.nodeID)).toBeDefined();
  });
});
