import { describe, expect, it } from "vitest";
import { MAX_KEYS, PointCounter } from "../../../services/api/limits/point-counter.ts";
import { RateLimiter, mustBeWithinLimit } from "../../../services/api/limits/rate-limiter.ts";

const LIMITS = {
  address: { max: 3, seconds: 600 },
  user: undefined,
  public: { max: 3, seconds: 600 },
  socket: { max: 3, seconds: 600 },
};

const consumed = (limiter: RateLimiter, of: string) =>
  limiter.countAddress("address", of)?.consumed;

describe("RateLimiter", () => {
  it("counts each key separately and refuses it beyond the limit", () => {
    const limiter = new RateLimiter(LIMITS, false);
    for (const count of [1, 2, 3]) expect(consumed(limiter, "a")).toBe(count);
    expect(consumed(limiter, "b")).toBe(1);
    const usage = limiter.countAddress("address", "a");
    expect(() => mustBeWithinLimit(usage)).toThrow(
      expect.objectContaining({ type: "TooManyRequests", data: { retryAfter: usage?.reset } }),
    );
    expect(usage?.reset).toBeGreaterThan(590);
    expect(limiter.count("user", "a")).toBeUndefined();
  });

  it("counts an IPv6 address for its /64, /56 and /48, each with a higher limit", () => {
    const limiter = new RateLimiter(LIMITS, false);
    const isRefused = (address: string) => {
      const usage = limiter.countAddress("public", address);
      return usage!.consumed > usage!.limit.max;
    };
    /** How many are accepted of 20. */
    const passing = (addressOf: (at: number) => string) => {
      let count = 0;
      for (let at = 0; at < 20; at++) if (!isRefused(addressOf(at))) count++;
      return count;
    };
    expect(passing((at) => `2001:db8:1:0:${at}::1`)).toBe(3);
    // 1.5 times as many for a /56, twice as many for a /48: what was refused above does not count
    expect(passing((at) => `2001:db8:1:${at + 1}::1`)).toBe(1);
    expect(passing((at) => `2001:db8:1:${at + 1}00::1`)).toBe(2);
    expect(passing((at) => `2001:db8:${at + 2}::1`)).toBe(20);
  });

  it("shares its counts once, with hashed keys and without sockets", () => {
    const [one, other] = [new RateLimiter(LIMITS, true), new RateLimiter(LIMITS, true)];
    for (const who of ["a", "a", "b"]) one.countAddress("address", who);
    one.count("socket", "a");
    const parts = [...one.takeUnshared(1)];
    expect(parts).toHaveLength(2);
    expect(JSON.stringify(parts)).not.toContain('"a"');
    expect([...one.takeUnshared(1)]).toEqual([]);
    for (const part of parts) other.add(part);
    expect(consumed(other, "a")).toBe(3);
    expect(consumed(other, "b")).toBe(2);
    // received counts are not shared again
    expect([...other.takeUnshared(10)].flat().map(({ points }) => points)).toEqual([1, 1]);
  });
});

describe("PointCounter", () => {
  it("counts new keys together once it counts MAX_KEYS, and known keys separately", () => {
    const counter = new PointCounter(LIMITS.address);
    const add = (key: string) => counter.add(key, 1).consumed;
    add("known");
    for (let key = 1; key < MAX_KEYS; key++) add(`key ${key}`);
    // the first two characters select the shared counter
    expect([add("ab-1"), add("ab-2"), add("cd-1")]).toEqual([1, 2, 1]);
    expect(add("known")).toBe(2);
  });
});
