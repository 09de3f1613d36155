import { describe, expect, it } from "vitest";
import { accessMatrix } from "../../../lib/access/matrix.ts";
import { accessReport, differingLines, toJson } from "../../../lib/access/report.ts";
import { PEOPLE, STAFF } from "../../../lib/tokens/subject-type.ts";
import { grantablePermissions } from "../../../lib/access/grantable.ts";
import { accessWarnings, mustMatch } from "../../../lib/access/warnings.ts";
import type { ActionContract } from "../../../lib/contract/declarations/action.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts, permissionsOf } from "../../../lib/contract/load.ts";
import { permissionsByRole, subjectTypeOfRole } from "../../../services/users/roles/roles.ts";

const contracts = loadContracts();
const strict = { strictPermissions: true, production: false };
const lenient = { ...strict, strictPermissions: false };
const roles = permissionsByRole(grantablePermissions(contracts, "role", strict));

const action = (changes: Partial<ActionContract>): ActionContract => ({
  description: "",
  restricted: null,
  auth: "none",
  params: {},
  result: null,
  ...changes,
});

const titled = (title: string) => ({ title, description: title });

const made = (...services: ServiceContract[]) =>
  new Map(services.map((service) => [service.name, service]));

describe("access.json", () => {
  it("does not depend on the order of the declarations", () => {
    const reversed = new Map(
      [...contracts].toReversed().map(([name, contract]) => [
        name,
        {
          ...contract,
          actions: Object.fromEntries(Object.entries(contract.actions).toReversed()),
        },
      ]),
    );
    const others = new Map(
      [...roles].toReversed().map(([name, held]) => [name, held.toReversed()]),
    );
    expect(toJson(accessReport(reversed, others))).toBe(toJson(accessReport(contracts, roles)));
  });

  it("is JSON and says of each action who may call it", () => {
    const report = accessReport(contracts, roles);
    expect(JSON.parse(toJson(report))).toEqual(report);
    expect(report.actions["users.create"]).toMatchObject({
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      route: "POST /api/users",
    });
    expect(report.events["user.created"]).toEqual({
      emittedBy: ["users"],
      handledBy: { chat: { restricted: ["users"], auth: "none" } },
    });
    expect(report.events["posts.created"]).toEqual({
      emittedBy: ["posts"],
      handledBy: { api: { restricted: ["posts"], auth: "none" } },
      subscribe: { auth: "required", permissions: null, visible: "all", filters: ["authorId"] },
    });
    expect(report.actions["users.updateProfile"]).toMatchObject({
      subjects: ["EndUserAccount", "EnvironmentAdminAccount", "SuperUserAccount", "UserAccount"],
    });
    expect(report.roles.moderator).toContain("posts:moderate");
  });

  it("lists the roles of an action that declares some, and of no other", () => {
    const ruled = made({
      name: "a",
      actions: {
        open: action({}),
        ruled: action({ auth: "required", permissions: "a:b", roles: ["user", "admin"] }),
      },
    });
    const report = accessReport(ruled, roles);
    expect(report.actions["a.ruled"]).toEqual({
      restricted: null,
      auth: "required",
      permissions: "a:b",
      roles: ["admin", "user"],
    });
    expect(report.actions["a.open"]).not.toHaveProperty("roles");
  });

  it("differs by one readable line where one declaration differs", () => {
    const users = contracts.get("users")!;
    const opened = new Map(contracts).set("users", {
      ...users,
      actions: { ...users.actions, identity: { ...users.actions.identity!, restricted: null } },
    });
    const [before, after] = [contracts, opened].map((one) => toJson(accessReport(one, roles)));
    expect(differingLines(before!, after!)).toEqual([
      '- "users.identity": { "restricted": ["auth"], "auth": "none" }',
      '+ "users.identity": { "restricted": null, "auth": "none" }',
    ]);
    expect(differingLines(before!, before!)).toEqual([]);
  });
});

describe("the matrix", () => {
  const { columns, rows } = accessMatrix(contracts, roles, subjectTypeOfRole);
  const cell = (row: string, column: string) =>
    rows.find(({ name }) => name === row)!.cells[columns.indexOf(column)];

  it.each([
    ["users.create", "anonymous", "no"],
    ["users.create", "admin", "yes"],
    ["users.create", "user", "no"],
    ["users.create", "api", "user"],
    ["users.create", "posts", "no"],
    ["users.posts", "anonymous", "yes"],
    ["users.posts", "posts", "yes"],
    ["users.list", "anonymous", "inside"],
    ["users.list", "chat", "yes"],
    ["auth.generateToken", "admin", "no"],
    ["event user.created -> chat", "users", "yes"],
    ["event user.created -> chat", "api", "no"],
    ["event user.created -> chat", "admin", "no"],
  ])("%s for %s: %s", (row, column, expected) => {
    expect(cell(row, column)).toBe(expected);
  });

  it("says which kinds of subject and roles an action is for, and counts those out who are of another", () => {
    const staffed = made({
      name: "api",
      actions: {
        manage: action({ auth: "required", subjects: STAFF, rest: "GET /manage" }),
        greet: action({ auth: "required", subjects: PEOPLE, rest: "GET /greet" }),
        rule: action({
          auth: "required",
          permissions: "posts:write",
          roles: ["moderator"],
          subjects: STAFF,
          rest: "GET /rule",
        }),
        either: action({
          auth: "required",
          permissions: ["posts:moderate", "users:read", "users:write"],
          rest: "GET /either",
        }),
        any: action({ auth: "required", permissions: null, rest: "GET /any" }),
        work: action({ auth: "required", subjects: ["ServiceAccount"], rest: "GET /work" }),
      },
    });
    const matrix = accessMatrix(staffed, roles, subjectTypeOfRole);
    expect(matrix.columns.slice(1, 4)).toEqual(["user", "moderator", "admin"]);
    const own = matrix.rows.filter(({ group }) => group === "api");
    const shown = own.map(({ name, cells, needs }) => [name, ...cells.slice(1, 4), needs]);
    expect(shown).toEqual([
      ["api.any", "yes", "yes", "yes", "a user"],
      ["api.either", "no", "yes", "yes", "posts:moderate or users:read|write"],
      ["api.greet", "yes", "yes", "yes", "people"],
      ["api.manage", "no", "yes", "yes", "staff"],
      ["api.rule", "no", "yes", "no", "posts:write, the role moderator, staff"],
      ["api.work", "no", "no", "no", "ServiceAccount"],
    ]);
  });

  it("does not say that people reach what has no route", () => {
    const inner = made({
      name: "api",
      actions: { inner: action({ restricted: ["api"] }) },
    });
    const { rows: found } = accessMatrix(inner, new Map(), subjectTypeOfRole);
    expect(found.find(({ name }) => name === "api.inner")!.cells).toEqual(["inside", "yes"]);
  });
});

/** What a check names, one line for each. */
function refusedBy(check: () => void): string[] {
  try {
    check();
    return [];
  } catch (error) {
    return (error as Error).message.match(/(?<=^ {2}- ).*$/gm) ?? [];
  }
}

describe("The checks of access declarations", () => {
  it("find no mistake in this application", () => {
    expect(accessWarnings(contracts, roles, lenient)).toEqual([]);
    expect(refusedBy(() => mustMatch(contracts, roles, { ...strict, production: true }))).toEqual(
      [],
    );
  });

  it("warn of declarations without effect and refuse mistaken ones", () => {
    const wrong = made(
      { name: "auth", actions: {}, emits: { "sessions.revoked": { description: "", params: {} } } },
      {
        name: "guard",
        actions: {},
        emits: { "credential.revoked": { description: "", params: {} } },
      },
      {
        name: "a",
        permissions: { used: titled("Used"), unused: titled("Unused"), held: titled("Held") },
        actions: {
          strange: action({ restricted: ["nobody"] }),
          unknown: action({ auth: "required", permissions: "a:unknown" }),
          fine: action({ auth: "required", permissions: "a:used" }),
          ruled: action({ auth: "required", permissions: null, roles: ["some", "chiefs"] }),
          lost: action({ restricted: ["api"] }),
          kept: action({ restricted: ["api"], closed: true }),
          both: action({ restricted: ["api"], closed: true, rest: "GET /both" }),
        },
        emits: {
          "a.told": { description: "", params: {} },
          unheard: { description: "", params: {} },
        },
        events: {
          silent: { restricted: null, auth: "required", permissions: null, roles: ["ghosts"] },
          "a.told": { restricted: ["auth"], auth: "none" },
        },
      },
    );
    const given = new Map([
      ["all", permissionsOf(wrong)],
      ["some", ["a:held", "a:gone"]],
    ]);
    expect(accessWarnings(wrong, given, lenient)).toEqual([
      "a.lost is restricted to api and has no route: declare a route or 'closed: true'",
      "event a.told -> a: a emits it and is refused",
      "event a.told -> a: auth is listed and does not emit it",
      "permission a:unused: no action needs it and no role has it by name",
    ]);
    expect(refusedBy(() => mustMatch(wrong, given, lenient))).toEqual([
      "a.both is closed, but has the route GET /both",
      "a.both is restricted to api, but there is no such service",
      "a.kept is restricted to api, but there is no such service",
      "a.lost is restricted to api, but there is no such service",
      "a.ruled needs the role chiefs, but there is no such role",
      "a.strange is restricted to nobody, but there is no such service",
      "a.unknown needs a:unknown, which no contract declares",
      "event silent -> a needs the role ghosts, but there is no such role",
      "event silent -> a: no service emits it",
      "role some has a:gone, which no contract declares",
    ]);
  });

  const strictly = made(
    { name: "auth", actions: {}, emits: { "sessions.revoked": { description: "", params: {} } } },
    { name: "guard", actions: {} },
    {
      name: "a",
      permissions: {
        used: titled("Used"),
        unused: titled("Unused"),
        developing: { ...titled("Developing"), usedForDevelopment: true },
        managed: { ...titled("Managed"), usedByManagedServiceOnly: true },
      },
      actions: {
        undecided: action({ auth: "required" }),
        ruled: action({ auth: "required", roles: ["some"] }),
        decided: action({ auth: "required", permissions: null }),
        one: action({ auth: "required", permissions: "a:used" }),
        several: action({ auth: "required", permissions: ["a:used", "a:developing"] }),
        maybe: action({ auth: "optional" }),
        open: action({}),
      },
      emits: { "a.told": { description: "", params: {} } },
      events: { "a.told": { restricted: ["a", "auth"], auth: "required" } },
    },
  );
  const listing = new Map([["some", ["a:used", "a:developing", "a:managed"]]]);
  const undecided = (name: string) =>
    `${name} needs a user: name a permission, or declare 'permissions: null'`;
  const found = [
    undecided("a.ruled"),
    undecided("a.undecided"),
    undecided("event a.told -> a"),
    "event a.told -> a: auth is listed and does not emit it",
    "permission a:unused: no action needs it and no role has it by name",
    "role some has a:managed, which is only for managed services",
  ];

  it("refuse undecided permissions and unused names in strict mode", () => {
    expect(refusedBy(() => mustMatch(strictly, listing, strict))).toEqual(found);
    expect(accessWarnings(strictly, listing, strict)).toEqual([]);
  });

  it("only warn of them without strict mode", () => {
    expect(refusedBy(() => mustMatch(strictly, listing, lenient))).toEqual([]);
    expect(accessWarnings(strictly, listing, lenient)).toEqual(found);
  });

  it("refuse in production a role that lists a permission of development", () => {
    expect(refusedBy(() => mustMatch(strictly, listing, { ...strict, production: true }))).toEqual([
      ...found.slice(0, 5),
      "role some has a:developing, which is only for development",
      "role some has a:managed, which is only for managed services",
    ]);
  });
});
