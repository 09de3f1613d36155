import { afterEach, describe, expect, it, vi } from "vitest";
import { FairQueue } from "../../../lib/limits/fair-queue.ts";

/** A queue that runs one task at a time; the first one runs until `end` is called. */
async function busyQueue({ maxWait = 60_000, before = async () => {} } = {}) {
  const queue = new FairQueue({ size: 1, maxWait });
  await queue.run({ key: "", isKnown: false }, before);
  const { promise, resolve: end } = Promise.withResolvers<void>();
  const ran: string[] = [];
  const first = queue.run({ key: "", isKnown: false }, () => promise);
  const add = (name: string, isKnown = false) =>
    queue.run({ key: name.slice(0, 1), isKnown }, async () => void ran.push(name));
  return { queue, ran, add, end, first };
}

describe("FairQueue", () => {
  afterEach(() => vi.useRealTimers());

  it("serves the lines in turn, whatever their lengths", async () => {
    const { ran, add, end } = await busyQueue();
    const all = ["a1", "a2", "a3", "b1", "c1", "b2"].map((name) => add(name));
    end();
    await Promise.all(all);
    expect(ran).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  });

  it("gives every second slot to known clients, and the others to the other lane", async () => {
    const { ran, add, end } = await busyQueue();
    const others = ["a1", "b1", "c1", "d1"].map((name) => add(name));
    const known = ["x1", "y1", "x2"].map((name) => add(name, true));
    end();
    await Promise.all([...others, ...known]);
    expect(ran).toEqual(["x1", "a1", "y1", "b1", "x2", "c1", "d1"]);
  });

  it("refuses the last task of the longest line if the newest one would wait for too long", async () => {
    vi.useFakeTimers();
    const before = async () => void vi.advanceTimersByTime(20);
    const { ran, add, end } = await busyQueue({ maxWait: 60, before });
    const [one, two, three] = ["a1", "a2", "a3"].map((name) => add(name));
    const other = add("b1");
    await expect(three).rejects.toMatchObject({ type: "TooManyRequests", data: { retryAfter: 5 } });
    const known = add("x1", true);
    await expect(two).rejects.toMatchObject({ type: "TooManyRequests" });
    end();
    await Promise.all([one, other, known]);
    expect(ran).toEqual(["x1", "a1", "b1"]);
  });

  it("refuses a waiting task at once when the running ones turn out to be slow", async () => {
    vi.useFakeTimers();
    const { ran, add, queue, end } = await busyQueue({ maxWait: 100 });
    const slow = async () => void vi.advanceTimersByTime(90);
    const running = queue.run({ key: "a", isKnown: false }, slow);
    // the average is then 9 ms, and 12 of them exceed the longest wait
    const names = Array.from({ length: 12 }, (_, at) => `a${at}`);
    const all = Promise.allSettled([running, ...names.map((name) => add(name))]);
    end();
    const refused = (await all).filter(({ status }) => status === "rejected");
    expect(refused).toMatchObject([{ reason: { type: "TooManyRequests" } }]);
    expect(ran).toEqual(names.slice(0, 11));
  });

  it("refuses a task that has waited too long, and does not run it", async () => {
    const { ran, add, end, first } = await busyQueue({ maxWait: 5 });
    await expect(add("a1")).rejects.toMatchObject({ type: "TooManyRequests" });
    end();
    await first;
    await add("b1");
    expect(ran).toEqual(["b1"]);
  });

  it("runs the next task after a task that fails", async () => {
    const { queue, ran, add, end } = await busyQueue();
    const failing = queue.run({ key: "", isKnown: true }, () => Promise.reject(new Error("no")));
    const after = add("a1");
    end();
    await expect(failing).rejects.toThrow("no");
    await after;
    expect(ran).toEqual(["a1"]);
  });
});
