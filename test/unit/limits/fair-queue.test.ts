import { describe, expect, it } from "vitest";
import { FairQueue } from "../../../lib/limits/fair-queue.ts";

/** A queue for one at a time, whose first work runs until it is told to end. */
async function busyQueue(options: { room?: number; timeout?: number } = {}) {
  const queue = new FairQueue({ size: 1, room: 100, timeout: 60_000, ...options });
  const { promise, resolve: end } = Promise.withResolvers<void>();
  const ran: string[] = [];
  const first = queue.run({ line: "", isKnown: false }, () => promise);
  const add = (name: string, isKnown = false) =>
    queue.run({ line: name.slice(0, 1), isKnown }, async () => void ran.push(name));
  return { queue, ran, add, end, first };
}

describe("FairQueue", () => {
  it("lets lines take turns, however much waits in each", async () => {
    const { ran, add, end } = await busyQueue();
    const all = ["a1", "a2", "a3", "b1", "c1", "b2"].map((name) => add(name));
    end();
    await Promise.all(all);
    expect(ran).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  });

  it("gives every second turn to those who are known, and keeps nobody from the others", async () => {
    const { ran, add, end } = await busyQueue();
    const others = ["a1", "b1", "c1", "d1"].map((name) => add(name));
    const known = ["x1", "y1", "x2"].map((name) => add(name, true));
    end();
    await Promise.all([...others, ...known]);
    expect(ran).toEqual(["x1", "a1", "y1", "b1", "x2", "c1", "d1"]);
  });

  it("refuses the last of the longest line where too many wait, and not who comes last", async () => {
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

  it("refuses what has waited too long, and does not run it", async () => {
    const { ran, add, end, first } = await busyQueue({ timeout: 5 });
    await expect(add("a1")).rejects.toMatchObject({ type: "TooManyRequests" });
    end();
    await first;
    await add("b1");
    expect(ran).toEqual(["b1"]);
  });

  it("goes on after work that fails", async () => {
    const { queue, ran, add, end } = await busyQueue();
    const failing = queue.run({ line: "", isKnown: true }, () => Promise.reject(new Error("no")));
    const after = add("a1");
    end();
    await expect(failing).rejects.toThrow("no");
    await after;
    expect(ran).toEqual(["a1"]);
  });
});
