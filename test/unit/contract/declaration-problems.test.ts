import { describe, expect, it } from "vitest";
import { mustBeKnown } from "../../../lib/access/contract-problems.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";

/** As JavaScript or a cast could bring it. */
const contractWith = (part: object, name = "notes") =>
  ({ name, actions: {}, ...part }) as unknown as ServiceContract;

const KEY = { description: "Signs links.", type: "key" };
const COUNTER = { type: "counter", description: "Notes." };

describe("A contract", () => {
  it.each([
    ["a secret of an unknown type", { secrets: { sharing_key: { ...KEY, type: "pin" } } }, /types/],
    ["a secret with an unknown key", { secrets: { a: { ...KEY, length: 5 } } }, /'length'/],
    ["a secret with a bad name", { secrets: { "../key": KEY } }, /lower-case letters/],
    ["a secret named like the credential", { secrets: { auth_token: KEY } }, /a reserved name/],
    ["a secret with a bad variable", { secrets: { a: { ...KEY, variable: "a b" } } }, /variable/],
    ["an audit event without a dot", { audit: { locked: "Locked." } }, /note\.locked/],
    ["an audit event without a description", { audit: { "note.locked": "" } }, /description/],
    ["another service's metric", { metrics: { "posts.total": COUNTER } }, /notes\.created\.total/],
    ["an unknown type of metric", { metrics: { "notes.a": { ...COUNTER, type: "x" } } }, /counter/],
    [
      "a label without values",
      { metrics: { "notes.a": { ...COUNTER, labels: { to: [] } } } },
      /values/,
    ],
    ["a redacted field that it does not have", { redacted: ["otpp"] }, /redacts 'otpp'/],
  ])("with %s is refused", (_what, part, message) => {
    expect(() => mustBeKnown([contractWith(part)])).toThrow(message);
  });

  it("is refused if another one would use the same variable for a secret", () => {
    const tags = contractWith({ secrets: { a: { ...KEY, variable: "NOTES_A" } } }, "tags");
    expect(() => mustBeKnown([contractWith({ secrets: { a: KEY } }), tags])).toThrow(
      /'a' of 'notes' and 'a' of 'tags' have the same environment variable NOTES_A/,
    );
  });

  it("may redact fields at any depth of its parameters and results", () => {
    const action = {
      description: "",
      restricted: null,
      auth: "none",
      params: { card: { type: "object", props: { pin: "string" } } },
      result: null,
    };
    const contract = contractWith({ redacted: ["pin"], actions: { pay: action } });
    expect(() => mustBeKnown([contract])).not.toThrow();
  });
});
