import { createSecretKey } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { credentialMac, isSameMac } from "../../src/tokens/credential.ts";

describe("The MAC of a credential", () => {
  const secret = createSecretKey(Buffer.alloc(32, 7));
  const mac = credentialMac(secret, "", Buffer.from("binding"), "users.a");

  it("equals only itself, and is compared with anything else without an error", () => {
    expect(isSameMac(mac, mac)).toBe(true);
    // the same number of characters, but more bytes
    expect(isSameMac(mac, "é".repeat(mac.length))).toBe(false);
    const other = fc.oneof(
      fc.string({ unit: "binary", minLength: mac.length, maxLength: mac.length }),
      fc.anything(),
    );
    fc.assert(
      fc.property(other, (value) => {
        expect(isSameMac(mac, value)).toBe(value === mac);
      }),
    );
  });

  it("differs for the guard, for another binding and for another node", () => {
    const binding = Buffer.from("binding");
    for (const one of [
      credentialMac(secret, "grant", binding, "users.a"),
      credentialMac(secret, "", Buffer.from("bindinh"), "users.a"),
      credentialMac(secret, "", binding, "users.b"),
    ])
      expect(isSameMac(mac, one)).toBe(false);
  });
});
