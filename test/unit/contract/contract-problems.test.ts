import { describe, expect, it } from "vitest";
import { mustBeKnown } from "../../../lib/access/contract-problems.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { implement } from "../../../lib/contract/implement.ts";

/** As JavaScript or a cast would bring it: the type check is test/types/contract.test-d.ts. */
const contractWith = (part: object) => ({ name: "notes", actions: {}, ...part }) as ServiceContract;

const ACTION = { description: "", restricted: ["api"], auth: "required", params: {}, result: null };

const withAction = (part: object) => contractWith({ actions: { create: { ...ACTION, ...part } } });

const NEEDS = { permissions: "notes:write", roles: ["admin"], subjects: ["UserAccount"] };

describe("a contract with unknown keys", () => {
  it("is none of this application", () => {
    expect(() => mustBeKnown(loadContracts().values())).not.toThrow();
  });

  it.each([
    [
      "the contract",
      contractWith({ action: {} }),
      "the contract 'notes' has the unknown key 'action'",
    ],
    ["an action", withAction({ role: ["admin"] }), "notes.create has the unknown key 'role'"],
    [
      "an action with one role as a string",
      withAction({ roles: "admin" }),
      "notes.create must have a list of roles",
    ],
    [
      "an action with an empty list of roles",
      withAction({ roles: [] }),
      "notes.create must have a list of roles",
    ],
    [
      "a handler with one role as a string",
      contractWith({ events: { told: { restricted: null, auth: "required", roles: "admin" } } }),
      "the handler of 'told' in 'notes' must have a list of roles",
    ],
    ["an action", withAction({ auth: "maybe" }), "notes.create must have one of these as 'auth'"],
    ...Object.entries(NEEDS).map(([key, need]): [string, ServiceContract, string] => [
      `an action with an authentication context and ${key}`,
      withAction({ auth: "context", [key]: need }),
      `notes.create declares ${key}, so it must declare auth: "required"`,
    ]),
    [
      "a handler with an authentication context and roles",
      contractWith({ events: { told: { restricted: null, auth: "context", roles: ["admin"] } } }),
      "the handler of 'told' in 'notes' declares roles, so it must declare auth: \"required\"",
    ],
    [
      "an action with an empty list of permissions",
      withAction({ auth: "required", permissions: [] }),
      "notes.create must have permissions:",
    ],
    [
      "an action with a list of something else",
      withAction({ auth: "required", permissions: ["notes:write", null] }),
      "notes.create must have permissions:",
    ],
    [
      "an action with a permission and no user",
      withAction({ auth: "none", permissions: "notes:write" }),
      "notes.create declares permissions, so it must declare auth",
    ],
    [
      "an action with null as permissions and an optional user",
      withAction({ auth: "optional", permissions: null }),
      "notes.create declares permissions, so it must declare auth",
    ],
    [
      "a permission",
      contractWith({ permissions: { write: { title: "Write", description: "x", use: true } } }),
      "the permission 'notes:write' has the unknown key 'use'",
    ],
    [
      "a permission that is a text",
      contractWith({ permissions: { write: "Write notes." } }),
      "the permission 'notes:write' must be an object",
    ],
    [
      "a permission without a title",
      contractWith({ permissions: { write: { title: " ", description: "Write notes." } } }),
      "the permission 'notes:write' must have a title",
    ],
    [
      "a permission without a description",
      contractWith({ permissions: { write: { title: "Write" } } }),
      "the permission 'notes:write' must have a description",
    ],
    [
      "a permission with a flag that is not true",
      contractWith({
        permissions: { write: { title: "W", description: "W", usedForDevelopment: false } },
      }),
      "the permission 'notes:write' must have 'usedForDevelopment: true'",
    ],
    [
      "two permissions with the same title",
      contractWith({
        permissions: {
          write: { title: "Write", description: "Write." },
          edit: { title: "write ", description: "Edit." },
        },
      }),
      "the permissions notes:write and notes:edit have the same title",
    ],
    [
      "an action",
      withAction({ permission: "a:b" }),
      "notes.create has the unknown key 'permission'",
    ],
    ["an action", withAction({ subject: [] }), "notes.create has the unknown key 'subject'"],
    [
      "a schema",
      withAction({ params: { $$strct: true } }),
      "notes.create.params has the unknown key '$$strct'",
    ],
    [
      "a rule",
      withAction({ params: { text: { type: "string", maxx: 5 } } }),
      "notes.create.params.text has the unknown key 'maxx'",
    ],
    [
      "a rule in short",
      withAction({ params: { text: "string|maxx:5" } }),
      "notes.create.params.text has the unknown key 'maxx'",
    ],
    [
      "a rule of another type",
      withAction({ params: { id: { type: "uuid", max: 5 } } }),
      "notes.create.params.id has the unknown key 'max'",
    ],
    [
      "a rule's type",
      withAction({ params: { text: "strng" } }),
      "notes.create.params.text has a rule of the unknown type 'strng'",
    ],
    [
      "a rule's type",
      withAction({ params: { text: "strng[]" } }),
      "notes.create.params.text[] has a rule of the unknown type 'strng'",
    ],
    ["no rule", withAction({ params: { text: true } }), "notes.create.params.text has no rule"],
    [
      "an array's items",
      withAction({ params: { tags: { type: "array", items: { type: "string", maxx: 5 } } } }),
      "notes.create.params.tags[] has the unknown key 'maxx'",
    ],
    [
      "an object's field",
      withAction({ params: { at: { type: "object", props: { zip: "string|maxx:5" } } } }),
      "notes.create.params.at.zip has the unknown key 'maxx'",
    ],
    [
      "an object without fields",
      withAction({ params: { at: { type: "object", prop: {} } } }),
      "notes.create.params.at has the unknown key 'prop'",
    ],
    [
      "a record",
      withAction({ params: { data: { type: "record", key: "string", values: "any" } } }),
      "notes.create.params.data has the unknown key 'values'",
    ],
    [
      "a result",
      withAction({ result: { type: "object", props: {}, stric: true } }),
      "notes.create.result has the unknown key 'stric'",
    ],
    [
      "a route",
      withAction({ rest: { method: "GET", path: "/api/notes" } }),
      "notes.create has an invalid route",
    ],
    ["a route", withAction({ rest: "FETCH /api/notes" }), "notes.create has an invalid route"],
    [
      "an event that is emitted",
      contractWith({ emits: { told: { description: "", params: {}, durably: true } } }),
      "event 'told' of 'notes' has the unknown key 'durably'",
    ],
    [
      "its payload",
      contractWith({ emits: { told: { description: "", params: { id: "uuid|maxx:1" } } } }),
      "event 'told' of 'notes'.params.id has the unknown key 'maxx'",
    ],
    [
      "a handler",
      contractWith({ events: { told: { restricted: null, auth: "none", permission: "a:b" } } }),
      "the handler of 'told' in 'notes' has the unknown key 'permission'",
    ],
    [
      "an error",
      contractWith({ errors: { NoteLocked: { code: 409, message: "Locked.", status: 409 } } }),
      "the error 'NoteLocked' of 'notes' has the unknown key 'status'",
    ],
    [
      "an error's name",
      contractWith({ errors: { noteLocked: { code: 409, message: "Locked." } } }),
      "the error 'noteLocked' of 'notes' must have a name such as \"NoteLocked\"",
    ],
    [
      "an error's code",
      contractWith({ errors: { NoteLocked: { code: 200, message: "Locked." } } }),
      "the error 'NoteLocked' of 'notes' must have an HTTP status",
    ],
    [
      "an error's message",
      contractWith({ errors: { NoteLocked: { code: 409, message: "" } } }),
      "the error 'NoteLocked' of 'notes' must have a message",
    ],
    [
      "an error of the application",
      contractWith({ errors: { Conflict: { code: 409, message: "Locked." } } }),
      "the error 'Conflict' of 'notes' has the name of an error type of the application",
    ],
    [
      "an error that is not declared",
      withAction({ errors: ["NoteLocked"] }),
      "notes.create lists the error 'NoteLocked', which is not declared",
    ],
    [
      "an unavailability of another status than 503",
      withAction({ unavailable: "Conflict" }),
      "notes.create must declare an error type with the code 503 as 'unavailable'",
    ],
    [
      "an unavailability of a type that is not the application's",
      withAction({ unavailable: "NoteLocked" }),
      "notes.create must declare an error type with the code 503 as 'unavailable'",
    ],
    [
      "a limit",
      contractWith({ limits: { creation: { counts: "notes", per: "user", maximum: 5 } } }),
      "the limit 'creation' of 'notes' has the unknown key 'maximum'",
    ],
    [
      "a limit that is not declared",
      withAction({ limit: "creation" }),
      "notes.create names the limit 'creation', which is not declared",
    ],
  ])("is refused for what it says in %s", (_where, contract, message) => {
    expect(() => mustBeKnown([contract])).toThrow(message);
    // also where the service is outside services/
    expect(() => implement(contract, { actions: {} })).toThrow(message);
  });
});

describe("An error type", () => {
  it("is refused in a second service", () => {
    const errors = { NoteLocked: { code: 409, message: "Locked." } };
    const contracts = ["notes", "invoices"].map((name) => ({ name, errors, actions: {} }));
    expect(() => mustBeKnown(contracts)).toThrow(
      "the error 'NoteLocked' is declared by notes and invoices",
    );
  });
});

describe("A limit that an action names", () => {
  const check = (limit: object, action: object = {}) =>
    mustBeKnown([
      contractWith({
        limits: { creation: { counts: "notes", per: "user", max: 5, seconds: 60, ...limit } },
        actions: { create: { ...ACTION, limit: "creation", ...action } },
      }),
    ]);

  it("is a rate of a user, a session, an address or the application", () => {
    for (const per of ["user", "session", "address", "application"])
      expect(() => check({ per })).not.toThrow();
  });

  it.each([
    ["without a window", { seconds: undefined }, {}, "which needs 'seconds'"],
    ["of recipients", { per: "recipient" }, {}, "actions count per user, session"],
    ["of users, where none is needed", {}, { auth: "optional" }, 'must declare auth: "required"'],
    ["of nothing", { max: 0 }, {}, "the limit 'creation' of 'notes' must be at least 1"],
  ])("is refused %s", (_what, limit, action, message) => {
    expect(() => check(limit, action)).toThrow(message);
  });
});
