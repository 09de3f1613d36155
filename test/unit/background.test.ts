import { describe, expect, it } from "vitest";
import { Background } from "../../lib/background.ts";

describe("Background work", () => {
  it("is awaited with the work that it starts, until the timeout", async () => {
    const background = new Background(() => undefined);
    const done: string[] = [];
    background.run(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      done.push("first");
      background.run(async () => void done.push("second"));
    });
    await background.idle(5_000);
    expect(done).toEqual(["first", "second"]);
    expect(background.size).toBe(0);

    background.run(() => new Promise(() => undefined));
    await background.idle(10);
    expect(background.size).toBe(1);
  });

  it("reports each error to onError only", async () => {
    const errors: unknown[] = [];
    const background = new Background((error) => errors.push(error));
    background.run(() => Promise.reject(new Error("broken")));
    background.run(() => {
      throw new Error("broken at once");
    });
    await background.idle(5_000);
    const messages = errors.map((error) => (error as Error).message);
    expect(messages.toSorted()).toEqual(["broken", "broken at once"]);
    expect(background.size).toBe(0);
  });
});
