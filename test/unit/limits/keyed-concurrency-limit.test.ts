import { describe, expect, it } from "vitest";
import { KeyedConcurrencyLimit } from "../../../lib/limits/keyed-concurrency-limit.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A task that settles when the test says so. */
function open() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { work: () => promise, end: resolve, fail: reject };
}

describe("KeyedConcurrencyLimit", () => {
  it("runs the allowed number of tasks of each key at once; further tasks wait in order", async () => {
    const limit = new KeyedConcurrencyLimit({ running: 2, waiting: 10 });
    const begun: string[] = [];
    const works = ["one", "two", "three", "four"].map((name) => ({ name, ...open() }));
    const all = works.map(({ name, work }) =>
      limit.run("key", () => {
        begun.push(name);
        return work();
      }),
    );
    await limit.run("another key", async () => undefined);
    await settled();
    expect(begun).toEqual(["one", "two"]);
    works[0]!.end();
    await settled();
    expect(begun).toEqual(["one", "two", "three"]);
    for (const { end } of works) end();
    await Promise.all(all);
    expect(begun).toEqual(["one", "two", "three", "four"]);
  });

  it("refuses a task if too many wait, and does not run it", async () => {
    const limit = new KeyedConcurrencyLimit({ running: 1, waiting: 1 });
    const first = open();
    const running = limit.run("key", first.work);
    const waiting = limit.run("key", async () => "waited");
    let hasRun = false;
    const refused = limit.run("key", async () => (hasRun = true));
    await expect(refused).rejects.toMatchObject({ type: "TooManyRequests" });
    first.end();
    await running;
    expect(await waiting).toBe("waited");
    expect(await limit.run("key", async () => "free")).toBe("free");
    expect(hasRun).toBe(false);
  });

  it.each([
    ["rejects", () => Promise.reject(new Error("no"))],
    [
      "throws before it returns a promise",
      () => {
        throw new Error("no");
      },
    ],
  ])("frees the slot of a task that %s", async (_, work) => {
    const limit = new KeyedConcurrencyLimit({ running: 1, waiting: 0 });
    for (let at = 0; at < 3; at++) await expect(limit.run("key", work)).rejects.toThrow("no");
    expect(await limit.run("key", async () => "free")).toBe("free");
  });
});
