import type { ServiceSchema } from "moleculer";
import { describe, expect, it } from "vitest";
import { checkDeclarations } from "../../middlewares/service-guard/declarations.ts";

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

  it("does not start with a proof that there is not", () => {
    expect(check({ actions: { create: { ...ACTION, proof: "requests" } } })).toThrow(
      /action 'notes.create' may say proof: "request"/,
    );
  });

  it("starts with what Moleculer and the listed middlewares know", () => {
    const action = {
      ...ACTION,
      permissions: "notes:write",
      proof: "request",
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
    // a private action is reached by its own service alone
    const own = { visibility: "private", whatever: 1, handler };
    expect(check({ actions: { own } })).not.toThrow();
  });
});
