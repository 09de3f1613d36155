import { type Check, isObject } from "./checks.ts";

/** Whether a value is the name of one permission. A list would be compared as one name, and no user would match. */
export const isPermission = (value: unknown): boolean =>
  typeof value === "string" && /^[^:]+:[^:]+$/.test(value);

/** `permissions` names one permission. */
export const checkPermissions: Check = (what, value) => {
  const { permissions } = isObject(value) ? value : {};
  return permissions === undefined || isPermission(permissions)
    ? []
    : [`${what} must have one permission, such as permissions: "posts:write"`];
};

/** Whether a value is a list of roles. No user would match an empty one. */
export const isListOfRoles = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((role) => typeof role === "string" && role !== "");

/** `roles` is a list of roles. */
export const checkRoles: Check = (what, value) => {
  const { roles } = isObject(value) ? value : {};
  return roles === undefined || isListOfRoles(roles)
    ? []
    : [`${what} must have a list of roles, such as roles: ["admin"]`];
};
