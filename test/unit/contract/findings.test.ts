import { describe, expect, it } from "vitest";
import { loadContracts } from "../../../lib/contract/load.ts";
import { toFindings } from "../../../lib/contract/schemas/findings.ts";
import { schemaOfParams } from "../../../lib/openapi/json-schema.ts";
import { validatorOptions } from "../../../lib/contract/schemas/validator.ts";
import Validator from "fastest-validator";

/** What is found in parameters, as a client sees it. */
const find = (schema: object, params: unknown) => {
  const found = new (Validator as any)(validatorOptions()).compile(schema)(params);
  return found === true ? [] : toFindings(found);
};

/** Every rule in a schema that has a pattern. */
const patternsIn = (
  node: unknown,
): { pattern: RegExp; messages?: { stringPattern?: string } }[] => {
  if (typeof node !== "object" || node === null || node instanceof RegExp) return [];
  const own = "pattern" in node && node.pattern instanceof RegExp ? [node as never] : [];
  return [...own, ...Object.values(node).flatMap(patternsIn)];
};

describe("the findings of the validator", () => {
  it("name the values that an enum accepts", () => {
    const schema = { roles: { type: "array", items: { type: "enum", values: ["user", "admin"] } } };
    expect(find(schema, { roles: ["hush-hush"] })).toEqual([
      { field: "roles[0]", type: "enumValue", message: "Must be one of: user, admin." },
    ]);
  });

  it("name an unknown field of an object in the parameters with its path", () => {
    const schema = { a: { type: "object", strict: true, props: { b: "string|optional" } } };
    expect(find(schema, { a: { c: 1 } })).toMatchObject([{ field: "a.c", type: "objectStrict" }]);
  });

  it("are one for an array that is too long, whose items are not checked", () => {
    const schema = { list: { type: "array", items: "uuid", unique: true, max: 3 } };
    const list = Array.from({ length: 10_000 }, (_, at) => `${at % 5_000}`);
    const message = "The 'list' field must contain less than or equal to 3 items.";
    expect(find(schema, { list })).toEqual([{ field: "list", type: "arrayMax", message }]);
  });

  it("do not repeat a value that is there twice", () => {
    const schema = { list: { type: "array", items: "string", unique: true } };
    const found = find(schema, { list: ["hush-hush", "hush-hush"] });
    expect(found).toMatchObject([{ field: "list", type: "arrayUnique" }]);
    expect(JSON.stringify(found)).not.toContain("hush");
  });

  it("explain each pattern of each contract, as the OpenAPI document does", () => {
    const patterns = [...loadContracts().values()].flatMap(patternsIn);
    expect(patterns.length).toBeGreaterThan(4);
    for (const rule of patterns) {
      expect(rule.messages?.stringPattern).toMatch(/^Must [^"]+\.$/);
      expect(schemaOfParams({ x: rule as never }).properties?.x?.description).toBe(
        rule.messages?.stringPattern,
      );
    }
  });
});
