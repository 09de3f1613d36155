import { describe, expect, it } from "vitest";
import { MAX_KEYS, PointCounter } from "../../../services/api/limits/point-counter.ts";
import { RateLimiter, mustBeWithinLimit } from "../../../services/api/limits/rate-limiter.ts";

const LIMITS = {
  address: { max: 3, seconds: 600 },
  user: undefined,
  public: { max: 3, seconds: 600 },
  socket: { max: 3, seconds: 600 },
};

const consumed = async (limiter: RateLimiter, of: string) =>
  (await limiter.countAddress("address", of))?.consumed;

describe("RateLimiter", () => {
  it("counts each key separately and refuses it beyond the limit", async () => {
    const limiter = new RateLimiter(LIMITS, false);
    for (const count of [1, 2, 3]) expect(await consumed(limiter, "a")).toBe(count);
    expect(await consumed(limiter, "b")).toBe(1);
    const usage = await limiter.countAddress("address", "a");
    expect(() => mustBeWithinLimit(usage)).toThrow(
      expect.objectContaining({ type: "TooManyRequests", data: { retryAfter: usage?.reset } }),
    );
    expect(usage?.reset).toBeGreaterThan(590);
    expect(await limiter.count("user", "a")).toBeUndefined();
  });

  it("counts an IPv6 address for its /64, /56 and /48, each with a higher limit", async () => {
    const limiter = new RateLimiter(LIMITS, false);
    const isRefused = async (address: string) => {
      const usage = await limiter.countAddress("public", address);
      return usage!.consumed > usage!.limit.max;
    };
    /** How many are accepted of 20. */
    const passing = async (addressOf: (at: number) => string) => {
      let count = 0;
      for (let at = 0; at < 20; at++) if (!(await isRefused(addressOf(at)))) count++;
      return count;
    };
    expect(await passing((at) => `2001:db8:1:0:${at}::1`)).toBe(3);
    // 1.5 times as many for a /56, twice as many for a /48: what was refused above does not count
    expect(await passing((at) => `2001:db8:1:${at + 1}::1`)).toBe(1);
    expect(await passing((at) => `2001:db8:1:${at + 1}00::1`)).toBe(2);
    expect(await passing((at) => `2001:db8:${at + 2}::1`)).toBe(20);
  });

  it("shares its counts once, with hashed keys and without sockets", async () => {
    const [one, other] = [new RateLimiter(LIMITS, true), new RateLimiter(LIMITS, true)];
    for (const who of ["a", "a", "b"]) await one.countAddress("address", who);
    await one.count("socket", "a");
    const parts = [...one.takeUnshared(1)];
    expect(parts).toHaveLength(2);
    expect(JSON.stringify(parts)).not.toContain('"a"');
    expect([...one.takeUnshared(1)]).toEqual([]);
    for (const part of parts) await other.add(part);
    expect(await consumed(other, "a")).toBe(3);
    expect(await consumed(other, "b")).toBe(2);
    // received counts are not shared again
    expect([...other.takeUnshared(10)].flat().map(({ points }) => points)).toEqual([1, 1]);
  });
});

describe("PointCounter", () => {
  it("counts new keys together once it counts MAX_KEYS, and known keys separately", async () => {
    const counter = new PointCounter(LIMITS.address);
    const add = async (key: string) => (await counter.add(key, 1)).consumed;
    await add("known");
    for (let key = 1; key < MAX_KEYS; key++) await add(`key ${key}`);
    // the first two characters select the shared counter
    expect([await add("ab-1"), await add("ab-2"), await add("cd-1")]).toEqual([1, 2, 1]);
    expect(await add("known")).toBe(2);
  });
});
