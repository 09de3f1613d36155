import type { ServiceSchema } from "moleculer";
import { describe, expect, it } from "vitest";
import { checkDeclarations } from "../src/guard/declarations.ts";

const known = { services: new Set(["api", "notes"]), keys: ["auth", "permissions"] };

const check = (part: Partial<ServiceSchema> | object) => () =>
  checkDeclarations({ name: "notes", ...part } as ServiceSchema, known);

const handler = () => "ran";
const ACTION = { restricted: ["api"], auth: "required", handler };

describe("a plain Moleculer service", () => {
  it.each([
    ["roles", { roles: ["admin"] }],
    ["permission", { permission: "notes:write" }],
    ["subject", { subject: ["UserAccount"] }],
    ["restrict", { restrict: ["api"] }],
    ["Permissions", { Permissions: "notes:write" }],
  ])("does not start with an action that has the unknown key '%s'", (key, part) => {
    const message = `action 'notes.create' has the unknown key '${key}'`;
    expect(check({ actions: { create: { ...ACTION, ...part } } })).toThrow(message);
    const ofEvent = `event 'user.created' of 'notes' has the unknown key '${key}'`;
    expect(check({ events: { "user.created": { ...ACTION, ...part } } })).toThrow(ofEvent);
  });

  it.each([
    ["nothing", {}, "does not declare which services may call it"],
    [
      "no list",
      { restricted: "api" },
      "must have `restricted` list services, or be null for every caller",
    ],
    [
      "an empty list",
      { restricted: [] },
      "must have `restricted` list services, or be null for every caller",
    ],
    ["an unknown service", { restricted: ["api", "apii"] }, "lists unknown: apii"],
  ])("does not start with %s as its declaration", (_what, access, problem) => {
    const message = `action 'notes.create' ${problem}`;
    expect(check({ actions: { create: { ...access, handler } } })).toThrow(message);
    const ofEvent = `event 'user.created' of 'notes' ${problem}`;
    expect(check({ events: { "user.created": { ...access, handler } } })).toThrow(ofEvent);
  });

  it.each([
    ["beside restricted: null", { restricted: null, operator: true }],
    ["with another value", { restricted: ["api"], operator: "yes" }],
  ])("does not start with operator %s", (_what, access) => {
    const message =
      "action 'notes.create' may declare `operator: true` only beside a list of services";
    expect(check({ actions: { create: { ...access, handler } } })).toThrow(message);
  });

  it("does not start with an event that declares operator", () => {
    const event = { restricted: ["api"], operator: true, handler };
    expect(check({ events: { told: event } })).toThrow("has the unknown key 'operator'");
  });

  it("does not start with an event in the group of another service", () => {
    const event = { restricted: null, group: "users", handler };
    expect(check({ events: { told: event } })).toThrow(/must be in the group 'notes', not 'users'/);
  });

  it("starts with the keys of Moleculer and of the listed middlewares", () => {
    const action = {
      ...ACTION,
      operator: true,
      permissions: "notes:write",
      rest: "POST /notes",
      params: {},
      cache: false,
      timeout: 1,
      visibility: "published",
      hooks: {},
      tracing: false,
      retryPolicy: { enabled: false },
    };
    const event = { ...ACTION, group: "notes", context: true, debounce: 1 };
    expect(check({ actions: { create: action }, events: { told: event } })).not.toThrow();
    // only its own service can call a private action
    const own = { visibility: "private", whatever: 1, handler };
    expect(check({ actions: { own } })).not.toThrow();
  });
});
