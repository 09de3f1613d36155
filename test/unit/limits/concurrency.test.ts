import { EventEmitter } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { OpenCounts } from "../../../services/api/limits/open-counts.ts";
import { ConcurrencyLimiter } from "../../../services/api/limits/concurrency.ts";

const response = () => new ServerResponse(new IncomingMessage(new Socket()));

/** What Node and http/connections.ts do when a client disconnects. */
const close = (res: ServerResponse) => {
  res.destroy();
  res.emit("close");
};

/** Work that runs until the test settles it. */
const task = () => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let runs = 0;
  return { work: () => ((runs += 1), promise), resolve, reject, runs: () => runs };
};

const BOUNDS = { total: 3, address: 2, waiting: 1, unread: 10 };

describe("ConcurrencyLimiter", () => {
  it("runs and queues a limited number of calls for one address, and refuses more", async () => {
    const limits = new ConcurrencyLimiter(BOUNDS);
    const [running, waiting, refused] = [task(), task(), task()];
    const first = limits.run("a", response(), running.work);
    const second = limits.run("a", response(), running.work);
    const third = limits.run("a", response(), waiting.work);
    await expect(limits.run("a", response(), refused.work)).rejects.toMatchObject({
      type: "TooManyRequests",
    });
    expect([running.runs(), waiting.runs(), refused.runs()]).toEqual([2, 0, 0]);
    running.resolve("done");
    waiting.resolve("done later");
    expect(await Promise.all([first, second, third])).toEqual(["done", "done", "done later"]);
  });

  it("refuses all addresses if the gateway runs too many calls", async () => {
    const limits = new ConcurrencyLimiter(BOUNDS);
    const [running, refused] = [task(), task()];
    const all = ["a", "b", "c"].map((key) => limits.run(key, response(), running.work));
    await expect(limits.run("d", response(), refused.work)).rejects.toMatchObject({
      type: "ServiceNotAvailable",
      data: { retryAfter: 1 },
    });
    expect(refused.runs()).toBe(0);
    running.resolve("done");
    await Promise.all(all);
    refused.resolve("now");
    expect(await limits.run("d", response(), refused.work)).toBe("now");
  });

  it("releases a slot when the work fails or the response closes", async () => {
    const limits = new ConcurrencyLimiter({ ...BOUNDS, total: 1 });
    const failing = () => {
      throw new Error("at once");
    };
    await expect(limits.run("a", response(), failing)).rejects.toThrow("at once");
    const later = async () => Promise.reject(new Error("later"));
    await expect(limits.run("a", response(), later)).rejects.toThrow("later");
    const endless = task();
    const res = response();
    const run = limits.run("a", res, endless.work);
    await new Promise(setImmediate);
    close(res);
    expect(await run).toBeUndefined();
    expect(res.listenerCount("close")).toBe(0);
    // the late error is dropped and causes no unhandled rejection
    endless.reject(new Error("much later"));
    expect(await limits.run("a", response(), async () => "next")).toBe("next");
  });

  it("runs nothing for a client that disconnected while it waited", async () => {
    const limits = new ConcurrencyLimiter({ ...BOUNDS, address: 1 });
    const [running, waiting] = [task(), task()];
    const first = limits.run("a", response(), running.work);
    const res = response();
    const second = limits.run("a", res, waiting.work);
    close(res);
    running.resolve("done");
    await first;
    expect(await second).toBeUndefined();
    expect(waiting.runs()).toBe(0);
  });

  it("refuses an address that leaves too much unread until it has read it", async () => {
    const limits = new ConcurrencyLimiter(BOUNDS);
    const [large, refused] = [response(), task()];
    limits.addUnread("a", large, 11);
    await expect(limits.run("a", response(), refused.work)).rejects.toMatchObject({
      type: "TooManyRequests",
    });
    expect(refused.runs()).toBe(0);
    expect(await limits.run("b", response(), async () => "b")).toBe("b");
    close(large);
    expect(await limits.run("a", response(), async () => "a")).toBe("a");
  });
});

describe("OpenCounts", () => {
  it("counts an item until it closes, and never a destroyed one", () => {
    const counts = new OpenCounts();
    const thing = new EventEmitter();
    counts.add("a", thing, 3);
    counts.add("a", Object.assign(new EventEmitter(), { destroyed: true }));
    expect(counts.of("a")).toBe(3);
    thing.emit("close");
    thing.emit("close");
    expect(counts.of("a")).toBe(0);
  });
});
