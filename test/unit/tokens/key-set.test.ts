import { describe, expect, it } from "vitest";
import { KeySet } from "../../../lib/tokens/key-set.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";

const { jwk, kid } = readSigningKey(await generateSigningKey("ES256"));

describe("A key set", () => {
  it("fetches once for 20 concurrent requests for a key", async () => {
    let fetches = 0;
    const set = new KeySet({ fetch: async () => ({ keys: (fetches++, [jwk]) }) });
    expect(set.cached(kid)).toBeUndefined();
    await Promise.all(Array.from({ length: 20 }, () => set.get(kid)));
    expect(fetches).toBe(1);
    expect(set.cached(kid)?.alg).toBe("ES256");
  });

  it("fetches once per cool-down for unknown kids", async () => {
    let fetches = 0;
    let now = 0;
    const set = new KeySet({
      fetch: async () => ({ keys: (fetches++, [jwk]) }),
      coolDown: 1_000,
      now: () => now,
    });
    for (let at = 0; at < 50; at++) expect(await set.get(`unknown-${at}`)).toBeUndefined();
    expect(fetches).toBe(1);
    now = 1_000;
    await set.get("unknown");
    expect(fetches).toBe(2);
  });

  it("keeps its keys while the issuer is unavailable", async () => {
    let isUnavailable = false;
    let now = 0;
    const set = new KeySet({
      fetch: async () => {
        if (isUnavailable) throw new Error("unreachable");
        return { keys: [jwk] };
      },
      now: () => now,
    });
    await set.get(kid);
    isUnavailable = true;
    now = 1e9;
    await expect(set.get("unknown")).rejects.toThrow("unreachable");
    expect(await set.get(kid)).toBeDefined();
  });

  it("repeats the error of a failed fetch until the retry interval is over", async () => {
    let fetches = 0;
    let now = 0;
    const set = new KeySet({
      fetch: async () => {
        fetches += 1;
        throw new Error(`failure ${fetches}`);
      },
      retryInterval: 1_000,
      now: () => now,
    });
    for (let at = 0; at < 50; at++) await expect(set.get(`${at}`)).rejects.toThrow("failure 1");
    expect(fetches).toBe(1);
    now = 1_000;
    await expect(set.get(kid)).rejects.toThrow("failure 2");
  });

  it("fetches stale keys again, and removes withdrawn ones", async () => {
    let keys = [jwk];
    let now = 0;
    const set = new KeySet({ fetch: async () => ({ keys }), maxAge: 1_000, now: () => now });
    await set.get(kid);
    keys = [];
    now = 999;
    expect(set.cached(kid)).toBeDefined();
    now = 1_000;
    // stale keys stay valid until the fetch has succeeded
    expect(set.cached(kid)).toBeDefined();
    await expect.poll(() => set.cached(kid)).toBeUndefined();
  });

  it("keeps stale keys while the issuer is unavailable, and fetches once per cool-down", async () => {
    let fetches = 0;
    let now = 0;
    const set = new KeySet({
      fetch: async () => {
        fetches += 1;
        if (fetches > 1) throw new Error("unreachable");
        return { keys: [jwk] };
      },
      coolDown: 100,
      maxAge: 1_000,
      now: () => now,
    });
    await set.get(kid);
    now = 5_000;
    for (let at = 0; at < 50; at++) expect(set.cached(kid)).toBeDefined();
    await expect(set.get("unknown")).rejects.toThrow("unreachable");
    expect(fetches).toBe(2);
    now = 5_100;
    expect(set.cached(kid)).toBeDefined();
    expect(fetches).toBe(3);
  });

  it("ignores keys that are not for signatures or have another algorithm", async () => {
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
