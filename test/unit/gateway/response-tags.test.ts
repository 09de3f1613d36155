import { describe, expect, it } from "vitest";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import { headersOf } from "../../../services/api/http/responses/success.ts";

const contract = {
  description: "A public list.",
  restricted: ["api"],
  auth: "none",
  rest: "GET /api/notes",
  params: {},
  result: "string[]",
} satisfies ActionContract;

/** The ETag that a response with this data gets. */
const tagOf = (data: unknown) => headersOf(contract, data, JSON.stringify(data)).etag;

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
});
