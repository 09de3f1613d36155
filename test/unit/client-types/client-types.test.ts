import { describe, expect, it } from "vitest";
import { clientTypes, servicesIn } from "../../../lib/client-types/client-types.ts";
import { typeOfFields, typeOfRule } from "../../../lib/client-types/type-text.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import type { Rule } from "../../../lib/contract/schemas/infer.ts";

describe("The TypeScript type of a rule", () => {
  it.each<[rule: Rule, type: string]>([
    ["string|min:3", "string"],
    ["uuid", "string"],
    ["number", "number"],
    ["any", "unknown"],
    ["string[]", "string[]"],
    [{ type: "uuid", nullable: true }, "string | null"],
    [{ type: "enum", values: ["a", 1] }, '"a" | 1'],
    [{ type: "array", items: { type: "enum", values: ["a", "b"] } }, '("a" | "b")[]'],
    [{ type: "record", key: "string", value: "number" }, "{ [key: string]: number }"],
    [{ type: "object", props: {} }, "Record<string, never>"],
    [
      {
        type: "array",
        items: { type: "object", props: { "a-b": { type: "string", nullable: true } } },
      },
      '{\n  "a-b": string | null;\n}[]',
    ],
  ])("%j is %s", (rule, type) => {
    expect(typeOfRule(rule, "output")).toBe(type);
  });

  it("makes fields with a default optional for the caller only", () => {
    const fields = {
      $$strict: true,
      a: { type: "number", default: 1 },
      b: "string|optional",
    } as const;
    expect(typeOfFields(fields, "input")).toBe(
      "{\n  a?: number | undefined;\n  b?: string | undefined;\n}",
    );
    expect(typeOfFields(fields, "output")).toBe("{\n  a: number;\n  b?: string;\n}");
  });
});

describe("The client's types", () => {
  const contracts = loadContracts();
  const text = clientTypes(contracts);

  it("have every route with its parameters and result", () => {
    expect(text).toContain('  "chat.room": ["GET", "/api/chat/rooms/:id"],\n');
    expect(text).toContain('  "users.login": ["POST", "/api/auth/login", "none"],\n');
    expect(text).toMatch(
      / {2}"chat.read": \{\n {4}params: \{\n {6}id: string;\n {6}seq: number;\n {4}\};\n {4}result: null;/,
    );
  });

  it("name a socket event's parameters as clients do, and leave out what clients do not receive", () => {
    expect(text).toMatch(
      / {2}"room:join": \{\n {4}data: \{\n {6}roomId: string;\n {6}after\?: number \| undefined;/,
    );
    expect(text).toMatch(/ {2}"room:head": \{\n {4}roomId: string;\n {4}seq: number;\n {2}\};/);
    expect(text).not.toContain("epoch");
  });

  it("name the services that they describe", () => {
    expect([...servicesIn(text)]).toEqual([...contracts.keys()]);
    expect([...servicesIn("")]).toEqual([]);
  });
});
