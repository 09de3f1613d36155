import { ServiceBroker } from "moleculer";
import { expect, it } from "vitest";
import { loadConfig } from "../../../lib/config/config.ts";
import type { Hooks } from "../../../lib/context/hooks.ts";
import { authMiddleware } from "../../../middlewares/auth/index.ts";

const rules = { ...loadConfig({}, []), permissionsOf: () => [] };

it.each([
  ["no auth", {}, /must declare auth/],
  ["an auth that there is not", { auth: "maybe" }, /must declare auth/],
  ["permissions for nobody", { auth: "none", permissions: "a:b" }, /must declare auth: "required"/],
  ["several permissions", { auth: "required", permissions: ["a:b"] }, /must name one permission/],
  ["an empty permission", { auth: "required", permissions: "" }, /must name one permission/],
  ["a permission of no service", { auth: "required", permissions: "write" }, /one permission/],
  ["subjects for nobody", { auth: "optional", subjects: ["UserAccount"] }, /auth: "required"/],
  ["no subjects", { auth: "required", subjects: [] }, /must list kinds of subject/],
  ["a subject that there is not", { auth: "required", subjects: ["Staff"] }, /kinds of subject/],
  ["a text for subjects", { auth: "required", subjects: "UserAccount" }, /kinds of subject/],
])("a node does not start with an action that declares %s", (_what, access, message) => {
  const middleware: unknown = authMiddleware(rules)(new ServiceBroker({ logger: false }));
  const { serviceCreating } = middleware as Hooks;
  const schema = (declared: object) => ({ name: "s", actions: { act: declared } }) as never;
  expect(() => serviceCreating!({} as never, schema(access))).toThrow(message);
  serviceCreating!({} as never, schema({ auth: "required", subjects: ["UserAccount"] }));
});
