import { describe, expect, it } from "vitest";
import { isValueWithinBounds, isWithinBounds } from "../../../services/api/limits/json-bounds.ts";

const BOUNDS = { depth: 3, values: 4 };

describe("The bounds of JSON", () => {
  it.each([
    ["{}", true],
    ["[[[]]]", true],
    ["[[[[]]]]", false],
    ['{"a":{"b":[1]}}', true],
    ['{"a":{"b":[{}]}}', false],
    ['["[[[[", "\\"[[[[", "\\\\"]', true],
    ['["\\\\",[[[]]]]', false],
    ["[1,2,3,4]", true],
    ["[1,2,3,4,5]", false],
    ['{"a":1,"b":{"c":2,"d":3},"e":4}', true],
    ['{"a":[1,2,3],"b":[4,5]}', false],
    ['[",,,,,,"]', true],
  ])("of %s: %s", (text, isWithin) => {
    expect(isWithinBounds(Buffer.from(text), BOUNDS)).toBe(isWithin);
  });

  it("hold for parsed values of any depth", () => {
    expect(isValueWithinBounds([[[]]], BOUNDS)).toBe(true);
    expect(isValueWithinBounds([[[[]]]], BOUNDS)).toBe(false);
    expect(isValueWithinBounds([1, 2, 3, 4, 5], BOUNDS)).toBe(false);
    const deep = JSON.parse("[".repeat(40_000) + "]".repeat(40_000));
    expect(isValueWithinBounds(deep, BOUNDS)).toBe(false);
    for (const plain of [null, undefined, "x", 5, () => {}])
      expect(isValueWithinBounds(plain, BOUNDS)).toBe(true);
  });
});
