import { describe, expect, it } from "vitest";
import { decide, findAction, type Subject } from "../../../lib/access/access.ts";
import { holds } from "../../../lib/tokens/access-token.ts";
import { STAFF } from "../../../lib/tokens/subject-type.ts";
import type { Access } from "../../../lib/contract/declarations/access.ts";
import { namedPermissions } from "../../../lib/contract/declarations/permission.ts";
import { loadContracts, permissionsOf } from "../../../lib/contract/load.ts";
import {
  permissionsOfRoles,
  ROLE_NAMES,
  subjectTypeOfRole,
} from "../../../services/users/roles/roles.ts";

const contracts = loadContracts();
const everything = permissionsOf(contracts);

const role = (name: string): Subject => ({
  kind: "user",
  name,
  permissions: permissionsOfRoles([name], everything),
  roles: [name],
  subjectType: subjectTypeOfRole(name),
});
const service = (name: string): Subject => ({ kind: "service", name });

const may = (subject: Subject, target: string) => {
  const action = findAction(contracts, target);
  if (!action) throw new Error(`No action ${target}`);
  return decide(subject, action.name, action.access).allowed;
};

describe("who may do what", () => {
  it.each([
    [service("posts"), "users.create", false],
    [service("posts"), "users.posts", true],
    [service("chat"), "users.list", true],
    [service("api"), "auth.generateToken", false],
    [service("users"), "auth.generateToken", true],
    [{ kind: "anonymous" } as const, "GET /api/posts", true],
    [{ kind: "anonymous" } as const, "POST /api/posts", false],
    [{ kind: "anonymous" } as const, "auth.generateToken", false],
    [role("user"), "POST /api/posts", true],
    [role("user"), "POST /api/users", false],
    [role("moderator"), "POST /api/users", false],
    [role("admin"), "PUT /api/users/:id/roles", true],
    [role("admin"), "auth.generateToken", false],
    [role("user"), "subscribe posts.created", true],
    [{ kind: "anonymous" } as const, "subscribe posts.created", false],
    [service("chat"), "subscribe posts.created", false],
  ])("%j at %s: %s", (subject, target, allowed) => {
    expect(may(subject, target)).toBe(allowed);
  });

  const eitherOf = {
    restricted: null,
    auth: "required",
    permissions: ["users:write", "posts:moderate"],
  } as const;
  const staffOnly = { restricted: null, auth: "required", subjects: STAFF } as const;
  const ofRoles = { restricted: null, auth: "required", roles: ["moderator", "admin"] } as const;
  const permitted = { ...staffOnly, permissions: "posts:write" } as const;

  it.each([
    [role("user"), staffOnly, "no: it is for staff, and user is of the kind EndUserAccount"],
    [role("user"), permitted, "no: it is for staff, and user is of the kind EndUserAccount"],
    [
      role("moderator"),
      staffOnly,
      "yes: it needs a signed-in user, and is for staff, as moderator is",
    ],
    [
      role("moderator"),
      permitted,
      "yes: it needs posts:write, which moderator holds, and is for staff, as moderator is",
    ],
    [
      role("user"),
      { ...staffOnly, permissions: "users:write" },
      "no: it needs users:write, which user lacks",
    ],
    [role("user"), eitherOf, "no: it needs users:write or posts:moderate, which user lacks"],
    [
      role("moderator"),
      eitherOf,
      "yes: it needs users:write or posts:moderate, which moderator holds",
    ],
    [
      service("chat"),
      eitherOf,
      "yes: it is open to every caller; it also needs a user with users:write or posts:moderate",
    ],
    [
      role("user"),
      { restricted: null, auth: "required", permissions: null },
      "yes: it needs any signed-in user",
    ],
    [
      service("chat"),
      permitted,
      "yes: it is open to every caller; it also needs a user with posts:write (staff)",
    ],
    [role("user"), ofRoles, "no: it needs the role moderator or admin, which user lacks"],
    [role("admin"), ofRoles, "yes: it needs the role moderator or admin, which admin holds"],
    [
      role("moderator"),
      { ...ofRoles, permissions: "users:write" },
      "no: it needs users:write, which moderator lacks",
    ],
    [
      role("admin"),
      { ...ofRoles, permissions: "users:write" },
      "yes: it needs users:write and the role moderator or admin, which admin holds",
    ],
    [
      { ...role("admin"), subjectType: "ImpersonatedUserAccount" } as Subject,
      ofRoles,
      "no: it needs the role moderator or admin, which admin lacks",
    ],
    [
      service("chat"),
      ofRoles,
      "yes: it is open to every caller; it also needs a user with the role moderator or admin",
    ],
    [{ kind: "anonymous" } as const, staffOnly, "no: it needs a user"],
    [
      { kind: "anonymous" } as const,
      { restricted: null, auth: "context" },
      "yes: it is open to every caller, and decides itself with or without a user",
    ],
    [role("user"), { restricted: ["posts"], auth: "context" }, "no: it is restricted to posts"],
  ] satisfies [Subject, Access, string][])(
    "%j, where %j is asked for: %s",
    (who, access, answer) => {
      const { allowed, rule } = decide(who, "it", access);
      expect(`${allowed ? "yes" : "no"}: ${rule}`).toBe(answer);
    },
  );

  it.each([
    "users.nothing",
    "nobody.list",
    "users.constructor",
    "GET /api/nowhere",
    "users",
    "subscribe chat.message",
    "subscribe __proto__",
    "subscribe",
  ])("knows no '%s'", (target) => {
    expect(findAction(contracts, target)).toBeUndefined();
  });

  it("grants no role a permission that no contract knows", () => {
    for (const name of ROLE_NAMES)
      for (const permission of permissionsOfRoles([name], everything))
        expect(everything).toContain(permission);
  });

  it("asks for no permission that no contract knows", () => {
    for (const { actions } of contracts.values())
      for (const { permissions } of Object.values(actions))
        for (const permission of namedPermissions(permissions))
          expect(everything).toContain(permission);
  });

  it.each([
    "**",
    "posts:*",
    "posts:**",
    "__proto__",
    "__proto__:write",
    "posts:__proto__",
    ":",
    "",
  ])("takes '%s' for no permission", (permission) => {
    expect(holds({ permissions: { posts: ["write"] } }, permission)).toBe(false);
  });
});
