import { describe, expect, it } from "vitest";
import { defineContract } from "../../../lib/contract/contract.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { route } from "../../../lib/contract/route.ts";

const ADDRESS = { type: "object", props: { street: "string" } } as const;

const { actions, emits } = defineContract({
  name: "notes",
  actions: {
    create: route({
      rest: "POST /api/notes",
      description: "",
      auth: "none",
      params: {
        text: "string",
        address: ADDRESS,
        addresses: { type: "array", items: ADDRESS },
        byName: { type: "record", key: "string", value: ADDRESS },
        loose: { ...ADDRESS, strict: "remove" },
      },
      result: ADDRESS,
    }),
    token: {
      description: "",
      restricted: null,
      auth: "none",
      params: { $$strict: "remove", text: "string" },
      result: null,
    },
  },
  emits: { "note.created": { description: "", params: { id: "uuid", address: ADDRESS } } },
});

describe("the parameters of a contract", () => {
  const strict = { ...ADDRESS, strict: true };

  it("refuse unknown fields at any depth", () => {
    expect(actions.create.params).toEqual({
      $$strict: true,
      text: "string",
      address: strict,
      addresses: { type: "array", items: strict },
      byName: { type: "record", key: "string", value: strict },
      loose: { ...ADDRESS, strict: "remove" },
    });
    expect(emits["note.created"].params).toEqual({ $$strict: true, id: "uuid", address: strict });
  });

  it("keep another rule for unknown fields", () => {
    expect(actions.token.params).toEqual({ $$strict: "remove", text: "string" });
  });

  it("are strict in every service", () => {
    const loose = [...loadContracts().values()].flatMap((contract) =>
      Object.entries({ ...contract.actions, ...contract.emits }).flatMap(([name, { params }]) =>
        params.$$strict === true ? [] : [`${contract.name}.${name}`],
      ),
    );
    // RFC 6749, 3.2: the token endpoint ignores unknown parameters
    expect(loose).toEqual(["auth.token"]);
  });
});

describe("a route", () => {
  const declaration = {
    rest: "GET /api/notes",
    description: "",
    auth: "none",
    params: {},
    result: null,
  } as const;

  it("is restricted to the gateway", () => {
    expect(route(declaration).restricted).toEqual(["api"]);
  });

  it.each([[null], [["api", "posts"]]])("is restricted to %j where it says so", (restricted) => {
    expect(route({ ...declaration, restricted }).restricted).toEqual(restricted);
  });
});
