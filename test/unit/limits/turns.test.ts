import { describe, expect, it } from "vitest";
import { Turns } from "../../../lib/limits/turns.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Work that ends when it is told to. */
function open() {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { work: () => promise, end: resolve, fail: reject };
}

describe("Turns", () => {
  it("runs as many at once as it allows for each key; the others wait in order", async () => {
    const turns = new Turns(2, 10);
    const begun: string[] = [];
    const works = ["one", "two", "three", "four"].map((name) => ({ name, ...open() }));
    const all = works.map(({ name, work }) =>
      turns.run("key", () => {
        begun.push(name);
        return work();
      }),
    );
    await turns.run("another key", async () => undefined);
    await settled();
    expect(begun).toEqual(["one", "two"]);
    works[0]!.end();
    await settled();
    expect(begun).toEqual(["one", "two", "three"]);
    for (const { end } of works) end();
    await Promise.all(all);
    expect(begun).toEqual(["one", "two", "three", "four"]);
  });

  it("refuses where too many wait, and does not run the work", async () => {
    const turns = new Turns(1, 1);
    const first = open();
    const running = turns.run("key", first.work);
    const waiting = turns.run("key", async () => "waited");
    let hasRun = false;
    const refused = turns.run("key", async () => (hasRun = true));
    await expect(refused).rejects.toMatchObject({ type: "TooManyRequests" });
    first.end();
    await running;
    expect(await waiting).toBe("waited");
    expect(await turns.run("key", async () => "free")).toBe("free");
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
  ])("ends the turn of work that %s", async (_, work) => {
    const turns = new Turns(1, 0);
    for (let at = 0; at < 3; at++) await expect(turns.run("key", work)).rejects.toThrow("no");
    expect(await turns.run("key", async () => "free")).toBe("free");
  });
});
