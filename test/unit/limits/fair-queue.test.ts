import { describe, expect, it } from "vitest";
import { FairQueue } from "../../../lib/limits/fair-queue.ts";

/** A queue that runs one task at a time; the first one runs until `end` is called. */
async function busyQueue(options: { room?: number; timeout?: number } = {}) {
  const queue = new FairQueue({ size: 1, room: 100, timeout: 60_000, ...options });
  const { promise, resolve: end } = Promise.withResolvers<void>();
  const ran: string[] = [];
  const first = queue.run({ key: "", isKnown: false }, () => promise);
  const add = (name: string, isKnown = false) =>
    queue.run({ key: name.slice(0, 1), isKnown }, async () => void ran.push(name));
  return { queue, ran, add, end, first };
}

describe("FairQueue", () => {
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

  it("refuses the last task of the longest line if too many wait, and not the newest task", async () => {
    const { ran, add, end } = await busyQueue({ room: 3 });
    const [one, two, three] = ["a1", "a2", "a3"].map((name) => add(name));
    const other = add("b1");
    await expect(three).rejects.toMatchObject({ type: "TooManyRequests", data: { retryAfter: 5 } });
    const known = add("x1", true);
    await expect(two).rejects.toMatchObject({ type: "TooManyRequests" });
    end();
    await Promise.all([one, other, known]);
    expect(ran).toEqual(["x1", "a1", "b1"]);
  });

  it("refuses a task that has waited too long, and does not run it", async () => {
    const { ran, add, end, first } = await busyQueue({ timeout: 5 });
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
