import { describe, expect, it } from "vitest";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts, publicWrites, routesOf } from "../../../lib/contract/load.ts";
import { mustBeRoutable } from "../../../lib/access/route-problems.ts";

const action = (rest: string, restricted: string[] | null = ["api"]) => ({
  description: "",
  restricted,
  auth: "none" as const,
  params: {},
  result: null,
  rest: rest as `GET /${string}`,
});

const check = (actions: ServiceContract["actions"]) => () =>
  mustBeRoutable(new Map([["notes", { name: "notes", actions }]]));

describe("routes", () => {
  it("of all contracts are valid", () => {
    expect(() => mustBeRoutable(loadContracts())).not.toThrow();
  });

  it("lead to no action that refuses the gateway", () => {
    expect(check({ list: action("GET /api/notes", ["posts"]) })).toThrow(
      /notes\.list \(GET \/api\/notes\) has a route, so its 'restricted' must include api/,
    );
    expect(check({ list: action("GET /api/notes", []) })).toThrow(
      /notes\.list .* must include api/,
    );
    expect(check({ list: action("GET /api/notes", null) })).not.toThrow();
  });

  it("are not shared, whatever their parameters are called", () => {
    const both = { get: action("GET /api/notes/:id"), find: action("GET /api/notes/:name") };
    expect(check(both)).toThrow(/notes\.find .* has the same route as notes\.get/);
    expect(check({ ...both, find: action("PUT /api/notes/:name") })).not.toThrow();
  });

  it.each(["GET /notes", "GET /health/ready", "GET /apinotes", "GET /socket.io/x", "GET /docs"])(
    "are not %s, which is the gateway's own",
    (rest) => {
      expect(check({ list: action(rest) })).toThrow(/notes\.list .* must be below \/api\//);
    },
  );

  it("write for anybody, if a token may be left out", () => {
    const add = action("POST /api/notes");
    const contract = (auth: "none" | "optional" | "required") => ({
      name: "notes",
      actions: { add: { ...add, auth }, list: { ...action("GET /api/notes"), auth } },
    });
    const of = (auth: "none" | "optional" | "required") => [
      ...publicWrites(routesOf(new Map<string, ServiceContract>([["notes", contract(auth)]]))),
    ];
    expect(of("none")).toEqual(["notes.add"]);
    expect(of("optional")).toEqual(["notes.add"]);
    expect(of("required")).toEqual([]);
  });
});
