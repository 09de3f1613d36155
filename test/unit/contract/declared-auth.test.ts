import { ServiceBroker } from "moleculer";
import { expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";
import type { Hooks } from "../../../lib/context/hooks.ts";
import { authMiddleware } from "../../../middlewares/auth/index.ts";

const middleware: unknown = authMiddleware({
  rules: { ...loadConfig({}, new Map()), permissionsOf: () => [] },
  fetchKeys: async () => ({ keys: [] }),
  fetchRevocations: async () => ({ sessions: [] }),
  revocationAccess: { restricted: ["auth"], auth: "none" },
  onRefusal: () => undefined,
})(new ServiceBroker({ logger: false }));

it.each([
  ["no auth", {}, /must declare auth/],
  ["an unknown auth", { auth: "maybe" }, /must declare auth/],
  [
    "permissions without a user",
    { auth: "none", permissions: "a:b" },
    /must declare auth: "required"/,
  ],
  ["no permission in a list", { auth: "required", permissions: [] }, /must declare permissions/],
  ["an empty permission", { auth: "required", permissions: "" }, /must declare permissions/],
  ["a permission without a service", { auth: "required", permissions: "write" }, /permissions/],
  ["null in a list", { auth: "required", permissions: ["a:b", null] }, /must declare permissions/],
  ["a list without a user", { auth: "none", permissions: ["a:b"] }, /must declare auth/],
  ["null without a required user", { auth: "optional", permissions: null }, /must declare auth/],
  ["roles without a user", { auth: "none", roles: ["admin"] }, /must declare auth: "required"/],
  [
    "roles with an optional user",
    { auth: "optional", roles: ["admin"] },
    /must declare auth: "required"/,
  ],
  ["an empty list of roles", { auth: "required", roles: [] }, /must declare a list of roles/],
  ["a string as roles", { auth: "required", roles: "admin" }, /must declare a list of roles/],
  ["a role that is no string", { auth: "required", roles: [1] }, /must declare a list of roles/],
  [
    "subjects without a required user",
    { auth: "optional", subjects: ["UserAccount"] },
    /auth: "required"/,
  ],
  [
    "permissions with an authentication context",
    { auth: "context", permissions: "a:b" },
    /declares permissions, so it must declare auth: "required"/,
  ],
  [
    "roles with an authentication context",
    { auth: "context", roles: ["admin"] },
    /declares roles, so it must declare auth: "required"/,
  ],
  [
    "subjects with an authentication context",
    { auth: "context", subjects: ["UserAccount"] },
    /declares subjects, so it must declare auth: "required"/,
  ],
  ["an empty list of subjects", { auth: "required", subjects: [] }, /a list of subject types/],
  ["an unknown subject type", { auth: "required", subjects: ["Staff"] }, /list of subject types/],
  [
    "a string as subjects",
    { auth: "required", subjects: "UserAccount" },
    /a list of subject types/,
  ],
])("the AuthMiddleware refuses a service whose action declares %s", (_what, access, message) => {
  const { serviceCreating } = middleware as Hooks;
  const schema = (declared: object) => ({ name: "s", actions: { act: declared } }) as never;
  expect(() => serviceCreating!({} as never, schema(access))).toThrow(message);
  serviceCreating!({} as never, schema({ auth: "required", subjects: ["UserAccount"] }));
  serviceCreating!({} as never, schema({ auth: "context" }));
  serviceCreating!({} as never, schema({ auth: "required", roles: ["admin"] }));
  for (const permissions of [null, "a:b", ["a:b"], ["a:b", "c:d"]])
    serviceCreating!({} as never, schema({ auth: "required", permissions }));
});
