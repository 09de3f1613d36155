import { describe, expect, it } from "vitest";
import {
  definedPermissions,
  type Grantee,
  grantablePermissions,
} from "../../../lib/access/grantable.ts";
import { definitionJson, permissionDefinition } from "../../../lib/access/permission-definition.ts";
import { staleDefinitions } from "../../../lib/access/definition-files.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import { loadContracts } from "../../../lib/contract/load.ts";

const action = (changes: Partial<ActionContract>): ActionContract => ({
  description: "",
  restricted: null,
  auth: "none",
  params: {},
  result: null,
  ...changes,
});

const notes: ServiceContract = {
  name: "notes",
  permissions: {
    write: { title: "Notes: Write", description: "Write notes." },
    reset: { title: "Notes: Reset", description: "Reset notes.", usedForDevelopment: true },
    sync: { title: "Notes: Sync", description: "Sync notes.", usedByManagedServiceOnly: true },
  },
  actions: {
    list: action({ rest: "GET /api/notes" }),
    inner: action({}),
    mine: action({ auth: "required", permissions: null, rest: "GET /api/notes/mine" }),
    maybe: action({ auth: "optional", rest: "GET /api/notes/maybe" }),
    create: action({ auth: "required", permissions: "notes:write" }),
    change: action({ auth: "required", permissions: ["notes:write", "posts:write"] }),
  },
  events: { told: { restricted: null, auth: "required", permissions: ["notes:sync"] } },
};
const posts: ServiceContract = {
  name: "posts",
  permissions: { write: { title: "Posts: Write", description: "Write posts." } },
  actions: {
    create: action({ auth: "required", permissions: "posts:write" }),
    note: action({ auth: "required", permissions: "notes:write" }),
  },
};
const plain: ServiceContract = {
  name: "plain",
  actions: { look: action({ rest: "GET /api/plain" }) },
};
const contracts = new Map([notes, posts, plain].map((one) => [one.name, one]));

describe("permission-definition.json", () => {
  it("lists a service's own and needed permissions with its own actions and events", () => {
    const [write, ...others] = ["reset", "sync"].map((key) => notes.permissions![key]!);
    expect(permissionDefinition(contracts, "notes")).toEqual({
      service: "notes",
      permissions: [
        { name: "notes:reset", ...write, actions: [], events: [] },
        { name: "notes:sync", ...others[0], actions: [], events: ["told"] },
        {
          name: "notes:write",
          ...notes.permissions!.write,
          actions: ["notes.change", "notes.create"],
          events: [],
        },
        {
          name: "posts:write",
          ...posts.permissions!.write,
          actions: ["notes.change"],
          events: [],
        },
      ],
      anonymous: ["notes.list"],
      anyUser: ["notes.mine"],
    });
  });

  it("does not exist for a service that neither declares nor needs a permission", () => {
    expect(permissionDefinition(contracts, "plain")).toBeUndefined();
  });

  it("is JSON, with lists on one line if they fit into 100 columns", () => {
    const definition = permissionDefinition(contracts, "notes")!;
    const text = definitionJson(definition);
    expect(JSON.parse(text)).toEqual(definition);
    expect(text).toContain('      "actions": ["notes.change", "notes.create"],\n');
    const long = {
      ...definition,
      anyUser: Array.from({ length: 9 }, (_, at) => `notes.action${at}`),
    };
    expect(definitionJson(long)).toContain('  "anyUser": [\n    "notes.action0",\n');
    for (const line of definitionJson(long).split("\n"))
      expect(line.length).toBeLessThanOrEqual(100);
  });

  it("is up to date for each service of this application", () => {
    expect(staleDefinitions(loadContracts())).toEqual([]);
  });
});

describe("Grantable permissions", () => {
  it.each<[Grantee, boolean, string[]]>([
    ["role", false, ["reset", "write"]],
    ["role", true, ["write"]],
    ["ServiceAccount", false, ["reset", "write"]],
    ["ServiceAccount", true, ["write"]],
    ["ManagedServiceAccount", false, ["reset", "sync", "write"]],
    ["ManagedServiceAccount", true, ["sync", "write"]],
  ])("of a %s, in production: %s, are %j", (grantee, production, expected) => {
    const names = grantablePermissions(contracts, grantee, { production });
    expect(names.filter((name) => name.startsWith("notes:")).toSorted()).toEqual(
      expected.map((key) => `notes:${key}`),
    );
  });

  it("have the names and texts of the contracts", () => {
    expect(definedPermissions(contracts)).toContainEqual({
      name: "posts:write",
      title: "Posts: Write",
      description: "Write posts.",
    });
  });
});
