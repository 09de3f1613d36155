import { describe, expect, it } from "vitest";
import { costFor } from "../../../services/users/passwords/hashing-cost.ts";
import { hash, measure } from "../../../services/users/passwords/hashing-worker.ts";

describe("costFor", () => {
  it.each([
    [125, 125, 10],
    [63, 125, 10],
    [62.5, 125, 11],
    [16, 125, 12],
    [500, 125, 10],
    [1, 2_000, 15],
  ])("gives for a hash of %d ms and a target of %d ms the cost %d", (time, target, cost) => {
    expect(costFor(time, target)).toBe(cost);
  });
});

describe("the measurement of a hash", () => {
  it("is its CPU time, give or take a half", () => {
    const measured = measure(10);
    const before = process.threadCpuUsage();
    hash(["a password", 10]);
    const { user, system } = process.threadCpuUsage(before);
    const time = (user + system) / 1_000;
    expect(measured).toBeGreaterThan(time / 2);
    expect(measured).toBeLessThan(time * 2);
  });
});
