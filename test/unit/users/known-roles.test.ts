import { describe, expect, it } from "vitest";
import { KnownRoles } from "../../../services/users/roles/known-roles.ts";

const GRANTABLE = ["chat:write", "posts:moderate", "posts:write", "users:read"];
const known = new KnownRoles(GRANTABLE, [
  { name: "support", permissions: ["users:read", "posts:write"], staff: true },
  { name: "old", permissions: ["posts:gone", "lab:reset", "posts:moderate"], staff: false },
  { name: "user", permissions: ["users:read"], staff: true },
  { name: "constructor", permissions: ["posts:moderate"], staff: false },
]);

describe("The permissions of roles", () => {
  it.each([
    [[], []],
    [["support"], ["posts:write", "users:read"]],
    [
      ["support", "user"],
      ["chat:write", "posts:write", "users:read"],
    ],
    [["admin"], GRANTABLE],
    [["constructor"], ["posts:moderate"]],
    [["removed", "toString", "__proto__"], []],
  ])("of %j together are %j", (names, expected) => {
    expect(known.permissionsOf(names)).toEqual(expected);
  });

  it("leave out those that no role can have in this environment", () => {
    expect(known.permissionsOf(["old"])).toEqual(["posts:moderate"]);
  });

  it("of a built-in role are not those of a stored role with its name", () => {
    expect(known.permissionsOf(["user"])).toEqual(["chat:write", "posts:write"]);
    expect(known.areStaff(["user"])).toBe(false);
  });

  it("make staff of accounts with a staff role, built in or stored", () => {
    expect(known.areStaff(["support"])).toBe(true);
    expect(known.areStaff(["old", "moderator"])).toBe(true);
    expect(known.areStaff(["old", "removed", "constructor"])).toBe(false);
  });
});
