import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Repetitions } from "../../../lib/logging/repetitions.ts";

describe("what comes again and again", () => {
  let told: [thing: string, count: number][];
  const make = (capacity = 10) =>
    new Repetitions<string>({
      interval: 1_000,
      capacity,
      tell: (thing, count) => told.push([thing, count]),
    });

  beforeEach(() => {
    vi.useFakeTimers();
    told = [];
  });
  afterEach(() => void vi.useRealTimers());

  it("is told at once, then counted, then told anew", () => {
    const repetitions = make();
    for (const thing of ["a", "b", "a", "a"]) repetitions.add(thing, thing);
    const first = [
      ["a", 0],
      ["b", 0],
    ];
    expect(told).toEqual(first);
    vi.advanceTimersByTime(1_000);
    expect(told).toEqual([...first, ["a", 2]]);
    vi.advanceTimersByTime(10_000);
    expect(told).toHaveLength(3);
    repetitions.add("a", "a");
    expect(told.at(-1)).toEqual(["a", 0]);
  });

  it("loses no count, neither when it stops nor when there is too much of it", () => {
    const repetitions = make(1);
    for (const thing of ["a", "a", "b", "b"]) repetitions.add(thing, thing);
    repetitions.flush();
    expect(told).toEqual([
      ["a", 0],
      ["a", 1],
      ["b", 0],
      ["b", 1],
    ]);
  });
});
