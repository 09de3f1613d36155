import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Repetitions } from "../../../lib/logging/repetitions.ts";

describe("Repetitions", () => {
  let reported: [thing: string, count: number][];
  const make = (capacity = 10) =>
    new Repetitions<string>({
      interval: 1_000,
      capacity,
      report: (thing, count) => reported.push([thing, count]),
    });

  beforeEach(() => {
    vi.useFakeTimers();
    reported = [];
  });
  afterEach(() => void vi.useRealTimers());

  it("reports the first at once, counts the others, and starts again after the interval", () => {
    const repetitions = make();
    for (const thing of ["a", "b", "a", "a"]) repetitions.add(thing, thing);
    const first = [
      ["a", 0],
      ["b", 0],
    ];
    expect(reported).toEqual(first);
    vi.advanceTimersByTime(1_000);
    expect(reported).toEqual([...first, ["a", 2]]);
    vi.advanceTimersByTime(10_000);
    expect(reported).toHaveLength(3);
    repetitions.add("a", "a");
    expect(reported.at(-1)).toEqual(["a", 0]);
  });

  it("reports every count when it is flushed and when it is full", () => {
    const repetitions = make(1);
    for (const thing of ["a", "a", "b", "b"]) repetitions.add(thing, thing);
    repetitions.flush();
    expect(reported).toEqual([
      ["a", 0],
      ["a", 1],
      ["b", 0],
      ["b", 1],
    ]);
  });
});
