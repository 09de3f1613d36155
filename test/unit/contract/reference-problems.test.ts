import { describe, expect, it } from "vitest";
import { mustRefer } from "../../../lib/access/reference-problems.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts } from "../../../lib/contract/load.ts";

const NAMES = {
  description: "",
  restricted: ["api"],
  auth: "required",
  params: { ids: { type: "array", items: "uuid", max: 100 } },
  result: {
    type: "object",
    props: { items: { type: "array", items: { type: "object", props: { id: "uuid" } } } },
  },
};

const check =
  (props: object, names: object = {}) =>
  () =>
    mustRefer(
      new Map([
        [
          "notes",
          {
            name: "notes",
            actions: {
              list: {
                ...NAMES,
                params: {},
                result: { type: "array", items: { type: "object", props } },
              },
              names: { ...NAMES, ...names },
            },
          } as unknown as ServiceContract,
        ],
      ]),
    );

const ownerId = { type: "uuid", ref: "notes.names" };

describe("A reference in a result", () => {
  it("is valid in all contracts", () => {
    expect(() => mustRefer(loadContracts())).not.toThrow();
    expect(check({ ownerId })).not.toThrow();
    expect(check({ ownerId: { ...ownerId, nullable: true } })).not.toThrow();
  });

  it.each([{ owner: ownerId }, { Id: ownerId }])("is of a field with an id: %j", (props) => {
    expect(check(props)).toThrow(/has a 'ref', so its name must end in 'Id'/);
  });

  it("leaves the other fields as they are", () => {
    expect(check({ ownerId, owner: "string" })).toThrow(
      /notes\.list\.result\[\]\.ownerId has a 'ref', but 'owner' is a field, too/,
    );
  });

  it.each([
    ["that does not exist", {}, "users.names"],
    ["of no service", {}, "names"],
    ["without ids", { params: {} }],
    ["that takes one id", { params: { ids: "uuid" } }],
    ["that takes few ids", { params: { ids: { type: "array", items: "uuid", max: 50 } } }],
    ["that takes any number of ids", { params: { ids: "uuid[]" } }],
    ["that takes texts", { params: { ids: { type: "array", items: "string", max: 100 } } }],
    ["without a result", { result: null }],
    ["whose result has no items", { result: { type: "object", props: {} } }],
    ["that refuses the gateway", { restricted: ["posts"] }],
  ])("names no action %s", (_which, names, ref = "notes.names") => {
    expect(check({ ownerId: { type: "uuid", ref } }, names)).toThrow(
      /notes\.list\.result\[\]\.ownerId refers to .*names, which does not list by ids/,
    );
  });
});
