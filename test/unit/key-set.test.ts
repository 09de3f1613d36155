import { describe, expect, it } from "vitest";
import { KeySet } from "../../lib/key-set.ts";
import { makeSigningKey, readSigningKey } from "../../lib/signing-key.ts";

const { jwk, kid } = readSigningKey(makeSigningKey("ES256"));

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
