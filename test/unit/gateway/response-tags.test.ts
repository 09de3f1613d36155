import { describe, expect, it } from "vitest";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import { setCachingHeaders } from "../../../services/api/http/responses/success.ts";
import { jsonOf } from "../../../services/api/http/responses/json.ts";

const contract = {
  description: "A public list.",
  restricted: ["api"],
  auth: "none",
  rest: "GET /api/notes",
  params: {},
  result: "string[]",
} satisfies ActionContract;

/** The ETag that a response with this data gets. */
function tagOf(data: unknown): string | undefined {
  const headers: Record<string, string> = {};
  const res = { setHeader: (name: string, value: string) => (headers[name] = value) };
  setCachingHeaders({ headers: {} } as never, res as never, contract, data);
  return headers.ETag;
}

describe("The ETag of a public response", () => {
  it("depends on its content", () => {
    expect(tagOf(["a"])).toMatch(/^W\/"[\w-]{43}"$/);
    expect(tagOf(["a"])).toBe(tagOf(["a"]));
    expect(tagOf(["a"])).not.toBe(tagOf(["b"]));
  });

  it("is left out if the response is too large to hash", () => {
    expect(tagOf(["a".repeat(499_000)])).toBeDefined();
    expect(tagOf(["a".repeat(500_000)])).toBeUndefined();
  });

  it("is made from the JSON text that is sent", () => {
    let times = 0;
    const data = { toJSON: () => `${++times}` };
    expect(tagOf(data)).toBeDefined();
    expect(jsonOf(data)).toBe('"1"');
  });
});
