import { describe, expect, it } from "vitest";
import { Turns } from "../../lib/turns.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("turns", () => {
  it("are so many at once for each key; the others wait in line", async () => {
    const turns = new Turns(2, 10);
    const done: string[] = [];
    const ends: (() => void)[] = [];
    const come = async (name: string) => {
      const end = await turns.take("key");
      done.push(name);
      ends.push(end);
    };
    for (const name of ["one", "two", "three", "four"]) void come(name);
    await turns.take("another key");
    await settled();
    expect(done).toEqual(["one", "two"]);
    ends.shift()!();
    await settled();
    expect(done).toEqual(["one", "two", "three"]);
    ends.shift()!();
    ends.shift()!();
    await settled();
    expect(done).toEqual(["one", "two", "three", "four"]);
  });

  it("are refused where too many wait", async () => {
    const turns = new Turns(1, 1);
    const end = await turns.take("key");
    const waiting = turns.take("key");
    await expect(turns.take("key")).rejects.toMatchObject({ type: "TooManyRequests" });
    end();
    (await waiting)();
    (await turns.take("key"))();
  });
});
