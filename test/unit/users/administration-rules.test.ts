import { describe, expect, it } from "vitest";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import type { SubjectType } from "../../../lib/tokens/subject-type.ts";
import { KnownRoles } from "../../../services/users/roles/known-roles.ts";
import {
  mustHold,
  mustNotBeOwn,
  mustOutrank,
  subjectTypeFor,
} from "../../../services/users/administration/administration-rules.ts";

const GRANTABLE = [
  "chat:moderate",
  "chat:write",
  "posts:moderate",
  "posts:write",
  "users:read",
  "users:write",
];
const ALL = new KnownRoles(GRANTABLE, [
  { name: "support", permissions: ["users:read", "users:gone"], staff: true },
  { name: "author", permissions: ["posts:write"], staff: false },
]);

const managerWith = (
  permissions: Record<string, string[]>,
  subjectType: SubjectType = "UserAccount",
) => ({ sub: "manager", permissions, subjectType }) as unknown as AccessTokenClaims;

const helper = managerWith({ users: ["write"], posts: ["write"], chat: ["write"] });
const full = {
  users: ["read", "write"],
  posts: ["moderate", "write"],
  chat: ["moderate", "write"],
};
const refused = (data?: object) =>
  expect.objectContaining({ type: "UserNotAuthorized", ...(data && { data }) });

describe("mustOutrank", () => {
  it("accepts accounts whose permissions the manager holds, and refuses all others", () => {
    const user = { roles: ["user"], subject_type: "EndUserAccount" } as const;
    const moderator = { roles: ["moderator"], subject_type: "UserAccount" } as const;
    expect(() => mustOutrank(helper, { ...user, roles: ["user"] }, ALL)).not.toThrow();
    expect(() => mustOutrank(helper, { ...moderator, roles: ["moderator"] }, ALL)).toThrow(
      refused({ permission: "chat:moderate" }),
    );
  });

  it("counts the permissions of roles made at run time", () => {
    const support = { roles: ["support"], subject_type: "UserAccount" } as const;
    expect(() => mustOutrank(helper, { ...support, roles: ["author"] }, ALL)).not.toThrow();
    expect(() => mustOutrank(helper, { ...support, roles: ["author", "support"] }, ALL)).toThrow(
      refused({ permission: "users:read" }),
    );
    expect(() => mustOutrank(helper, { ...support, roles: ["removed"] }, ALL)).not.toThrow();
  });

  it("lets only the first administrator manage the first administrator's account", () => {
    const first = { roles: ["admin"], subject_type: "SuperUserAccount" as const };
    expect(() => mustOutrank(managerWith(full), first, ALL)).toThrow(refused());
    expect(() => mustOutrank(managerWith(full, "SuperUserAccount"), first, ALL)).not.toThrow();
  });
});

describe("mustHold", () => {
  it("refuses to grant a role with a permission that the manager lacks", () => {
    expect(() => mustHold(helper, ["user", "moderator"], ALL)).toThrow(
      refused({ permission: "chat:moderate" }),
    );
    expect(() => mustHold(managerWith(full), ["admin"], ALL)).not.toThrow();
  });
});

describe("mustNotBeOwn", () => {
  it("refuses the manager's own account", () => {
    expect(() => mustNotBeOwn(helper, "manager")).toThrow(refused());
    expect(() => mustNotBeOwn(helper, "another")).not.toThrow();
  });
});

describe("subjectTypeFor", () => {
  it.each([
    ["EndUserAccount", ["user"], "EndUserAccount"],
    ["EndUserAccount", ["user", "moderator"], "UserAccount"],
    ["UserAccount", ["user"], "EndUserAccount"],
    ["EndUserAccount", ["support"], "UserAccount"],
    ["EndUserAccount", ["author", "removed"], "EndUserAccount"],
    ["UserAccount", [], "EndUserAccount"],
    ["SuperUserAccount", [], "SuperUserAccount"],
    ["EnvironmentAdminAccount", ["admin", "user"], "EnvironmentAdminAccount"],
    ["EnvironmentAdminAccount", ["moderator"], "UserAccount"],
    ["EnvironmentAdminAccount", [], "EndUserAccount"],
  ] as const)("turns %s with the roles %j into %s", (current, roles, expected) => {
    expect(subjectTypeFor(current, roles, ALL)).toBe(expected);
  });
});
