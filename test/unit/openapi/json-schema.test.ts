import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import Validator from "fastest-validator";
import { describe, expect, it } from "vitest";
import { loadContracts, loadExamples } from "../../../lib/contract/load.ts";
import type { Rule } from "../../../lib/contract/schemas/infer.ts";
import { schemaOfParams, schemaOfResult } from "../../../lib/openapi/json-schema.ts";
import { validatorOptions } from "../../../lib/contract/schemas/validator.ts";

const validator = new (Validator as any)(validatorOptions());
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
(addFormats as any)(ajv);

/** Do the application's validator and the JSON Schema accept this value? */
const verdicts = (rule: Rule, value: unknown) => {
  const params = { $$strict: true, field: rule } as const;
  const given = () => structuredClone(value === undefined ? {} : { field: value });
  return {
    validator: validator.compile({ ...params })(given()) === true,
    schema: ajv.validate(schemaOfParams(params), given()),
  };
};

const UUID = "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11";
/** NUL, a lone surrogate, a control character, a right-to-left override, zero width, a no-break space. */
const INVISIBLE = ["\0", "\ud800", "\u0085", "\u202e", "\u200b", "\u00ad", "\u{e0041}", "\u00a0"];
const both = (isGood: boolean) => ({ validator: isGood, schema: isGood });

describe("The JSON Schema of a rule", () => {
  it.each<[rule: Rule, good: unknown[], bad: unknown[]]>([
    ["string", ["", "x"], [undefined, null, 1, "a\0b"]],
    ["string|min:1|max:3", ["a", "abc"], ["", "abcd"]],
    ["string|optional|length:2", [undefined, "ab"], [null, "a"]],
    ["string|empty:false", ["a"], [""]],
    [{ type: "string", min: 1, trim: true }, ["a", " a b "], ["", "  ", "a\0"]],
    [{ type: "string", pattern: /^a+$/ }, ["aa"], ["b", "aab"]],
    [{ type: "string", nullable: true }, [null, "a"], [undefined, 1]],
    [
      "email",
      ["a@example.com"],
      [
        "a",
        "a@",
        "a b@example.com",
        '"a b"@example.com',
        ...INVISIBLE.map((c) => `a${c}b@example.com`),
      ],
    ],
    [{ type: "email", max: 15 }, ["a@example.com"], ["abcdef@example.com"]],
    ["uuid", [UUID], ["", `${UUID}0`, 1]],
    ["url", ["https://example.com/a"], ["ftp://example.com", "example.com", 1]],
    ["number", [1.5, -2], ["a", true, [5], {}, null]],
    ["number|integer|min:1|max:9", [1, 9], [0, 10, 1.5]],
    ["number|positive", [0.1], [0, -1]],
    [{ type: "number", default: 20 }, [undefined, 1], ["a"]],
    ["boolean", [true, false], ["yes", null]],
    ["any", [1, "a", {}, []], [undefined]],
    [{ type: "enum", values: ["a", "b"] }, ["a"], ["c", null, 1]],
    [{ type: "enum", values: ["a", 1], nullable: true }, ["a", 1, null], ["1"]],
    ["uuid[]", [[], [UUID]], [UUID, ["a"]]],
    [
      { type: "array", items: "string", min: 1, max: 2, unique: true },
      [["a"], ["a", "b"]],
      [[], ["a", "a"], ["a", "b", "c"], [1]],
    ],
    [
      { type: "object", strict: true, props: { a: "string", b: "number|optional" } },
      [{ a: "x" }, { a: "x", b: 1 }],
      [{}, { a: "x", c: 1 }, [], null],
    ],
    [{ type: "object", props: { a: "string" } }, [{ a: "x", more: 1 }], [{}]],
    [{ type: "record", key: "string", value: "number" }, [{}, { a: 1 }], [{ a: "x" }, [], 1]],
  ])("%j takes what the validator takes", (rule, good, bad) => {
    for (const value of good) expect([value, verdicts(rule, value)]).toEqual([value, both(true)]);
    for (const value of bad) expect([value, verdicts(rule, value)]).toEqual([value, both(false)]);
  });

  it("refuses unlisted fields only if the parameters are strict", () => {
    const more = { a: "x", more: 1 };
    expect(ajv.validate(schemaOfParams({ $$strict: true, a: "string" }), more)).toBe(false);
    expect(ajv.validate(schemaOfParams({ a: "string" }), more)).toBe(true);
  });

  it("requires fields with a default in a result, and allows no unlisted ones", () => {
    const rule = { type: "object", props: { a: { type: "number", default: 1 } } } as const;
    const isResult = (value: unknown) => ajv.validate(schemaOfResult(rule), value);
    expect(isResult({ a: 2 })).toBe(true);
    expect(isResult({})).toBe(false);
    expect(isResult({ a: 2, passwordHash: "x" })).toBe(false);
    expect(ajv.validate(schemaOfResult("date"), new Date().toISOString())).toBe(true);
  });
});

describe("The example", () => {
  const faults = (schema: object, value: unknown) => {
    ajv.validate(schema, value);
    return ajv.errorsText();
  };

  const contracts = loadContracts();
  const examples = [...loadExamples()].flatMap(([service, ofService]) =>
    Object.entries(ofService).map(([action, example]) => ({
      action: `${service}.${action}`,
      contract: contracts.get(service)!.actions[action]!,
      example,
    })),
  );

  it.each(examples)("of $action matches its rules", ({ contract, example }) => {
    if (example.params) {
      const { params } = example;
      expect(validator.compile({ ...contract.params })(structuredClone(params))).toBe(true);
      expect(faults(schemaOfParams(contract.params), params)).toBe("No errors");
    }
    if (example.result === undefined) return;
    expect(contract.result).not.toBeNull();
    expect(faults(schemaOfResult(contract.result!), example.result)).toBe("No errors");
  });
});
