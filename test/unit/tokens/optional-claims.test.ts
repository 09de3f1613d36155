import { describe, expect, it } from "vitest";
import {
  isExtensions,
  MAX_EXTENSIONS,
  readOptionalClaims,
  VISIBLE_TEXT,
  withValues,
} from "../../../lib/tokens/optional-claims.ts";

const read = (claims: object) => readOptionalClaims((claim) => (claims as any)[claim]);

describe("readOptionalClaims", () => {
  it("takes each claim that has the right type", () => {
    const claims = {
      name: "Alice Müller 👩",
      email: "alice@example.com",
      tags: ["beta", "eu west"],
      applicationId: "app-1",
      profileId: "p",
      extensions: { plan: { seats: 5 }, nothing: null },
      sessionId: "s|1",
    };
    expect(read({ ...claims, roles: ["admin"], sub: "someone" })).toEqual(claims);
  });

  it.each<[string, object]>([
    ["a name that is no text", { name: 1 }],
    ["an empty name", { name: " " }],
    ["a name of 101 characters", { name: "x".repeat(101) }],
    ["a name with a line break", { name: "a\nb" }],
    ["a name with a right-to-left override", { name: "a\u202eb" }],
    ["an invisible name", { name: "\u3164" }],
    ["half a character", { name: "\ud83d" }],
    ["an object as name", { name: { toString: "x" } }],
    ["an address without @", { email: "alice" }],
    ["an address with a space", { email: "a b@example.com" }],
    ["an address of 255 characters", { email: `${"x".repeat(243)}@example.com` }],
    ["a list of addresses", { email: ["a@example.com"] }],
    ["tags in one text", { tags: "beta" }],
    ["a tag that is no text", { tags: ["beta", 1] }],
    ["a tag of 41 characters", { tags: ["x".repeat(41)] }],
    ["21 tags", { tags: Array.from({ length: 21 }, (_, at) => `t${at}`) }],
    ["no tags", { tags: [] }],
    ["an id that is a number", { applicationId: 7, profileId: 7, sessionId: 7 }],
    ["an id of 256 characters", { sessionId: "x".repeat(256) }],
    ["extensions that are a list", { extensions: [1] }],
    ["extensions that are text", { extensions: "{}" }],
    ["empty extensions", { extensions: {} }],
    ["extensions of 1,025 bytes", { extensions: { x: "é".repeat(508) + "y" } }],
    ["extensions with a prototype", { extensions: JSON.parse('{"a":{"__proto__":{}}}') }],
    ["null", { name: null, email: null, tags: null, extensions: null }],
  ])("leaves out %s", (_what, claims) => {
    expect(read(claims)).toEqual({});
  });
});

describe("isExtensions", () => {
  it("accepts exactly 1 KB as JSON, counted in bytes", () => {
    const fill = MAX_EXTENSIONS - '{"x":""}'.length;
    expect(isExtensions({ x: "é".repeat(fill / 2) })).toBe(true);
    expect(isExtensions({ x: `${"é".repeat(fill / 2)}y` })).toBe(false);
  });
});

describe("VISIBLE_TEXT", () => {
  it("has the same meaning in JSON Schema, whose patterns may be compiled with the flag u", () => {
    const compiled = [VISIBLE_TEXT, new RegExp(VISIBLE_TEXT.source, "u")];
    for (const pattern of compiled) {
      for (const text of ["Alice", "山田 太郎", "👩 O'Hara", "Zoë-Ann"])
        expect(text).toMatch(pattern);
      for (const text of ["", "a\u0000", "a\u200b", "\u2028"]) expect(text).not.toMatch(pattern);
    }
  });
});

describe("withValues", () => {
  it("leaves out what has no value", () => {
    expect(withValues({ name: undefined, tags: [], extensions: {}, email: "a@b" })).toEqual({
      email: "a@b",
    });
  });
});
