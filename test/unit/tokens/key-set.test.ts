import { describe, expect, it } from "vitest";
import { KeySet } from "../../../lib/tokens/key-set.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";

const { jwk, kid } = readSigningKey(await generateSigningKey("ES256"));

describe("a key set", () => {
  it("asks once for the same key, however many want it", async () => {
    let asked = 0;
    const set = new KeySet({ fetch: async () => ({ keys: (asked++, [jwk]) }) });
    expect(set.cached(kid)).toBeUndefined();
    await Promise.all(Array.from({ length: 20 }, () => set.get(kid)));
    expect(asked).toBe(1);
    expect(set.cached(kid)?.alg).toBe("ES256");
  });

  it("asks once a cool-down for unknown keys, whatever they are called", async () => {
    let asked = 0;
    let now = 0;
    const set = new KeySet({
      fetch: async () => ({ keys: (asked++, [jwk]) }),
      coolDown: 1_000,
      now: () => now,
    });
    for (let at = 0; at < 50; at++) expect(await set.get(`unknown-${at}`)).toBeUndefined();
    expect(asked).toBe(1);
    now = 1_000;
    await set.get("unknown");
    expect(asked).toBe(2);
  });

  it("keeps what it knows while the issuer is away", async () => {
    let isAway = false;
    let now = 0;
    const set = new KeySet({
      fetch: async () => {
        if (isAway) throw new Error("away");
        return { keys: [jwk] };
      },
      now: () => now,
    });
    await set.get(kid);
    isAway = true;
    now = 1e9;
    await expect(set.get("unknown")).rejects.toThrow("away");
    expect(await set.get(kid)).toBeDefined();
  });

  it("leaves an issuer alone that has just failed, and says why again", async () => {
    let asked = 0;
    let now = 0;
    const set = new KeySet({
      fetch: async () => {
        asked += 1;
        throw new Error(`failure ${asked}`);
      },
      retryInterval: 1_000,
      now: () => now,
    });
    for (let at = 0; at < 50; at++) await expect(set.get(`${at}`)).rejects.toThrow("failure 1");
    expect(asked).toBe(1);
    now = 1_000;
    await expect(set.get(kid)).rejects.toThrow("failure 2");
  });

  it("asks again for keys that are old, and forgets those that were withdrawn", async () => {
    let keys = [jwk];
    let now = 0;
    const set = new KeySet({ fetch: async () => ({ keys }), maxAge: 1_000, now: () => now });
    await set.get(kid);
    keys = [];
    now = 999;
    expect(set.cached(kid)).toBeDefined();
    now = 1_000;
    // what is old goes on until the answer is there
    expect(set.cached(kid)).toBeDefined();
    await expect.poll(() => set.cached(kid)).toBeUndefined();
  });

  it("keeps old keys while they cannot be had anew, and asks once a cool-down", async () => {
    let asked = 0;
    let now = 0;
    const set = new KeySet({
      fetch: async () => {
        asked += 1;
        if (asked > 1) throw new Error("away");
        return { keys: [jwk] };
      },
      coolDown: 100,
      maxAge: 1_000,
      now: () => now,
    });
    await set.get(kid);
    now = 5_000;
    for (let at = 0; at < 50; at++) expect(set.cached(kid)).toBeDefined();
    await expect(set.get("unknown")).rejects.toThrow("away");
    expect(asked).toBe(2);
    now = 5_100;
    expect(set.cached(kid)).toBeDefined();
    expect(asked).toBe(3);
  });

  it("takes no keys that are not for signatures, or not of our algorithms", async () => {
    const set = new KeySet({
      fetch: async () => ({
        keys: [
          { ...jwk, use: "enc" },
          { ...jwk, alg: "HS256" },
        ],
      }),
    });
    expect(await set.get(kid)).toBeUndefined();
  });
});
