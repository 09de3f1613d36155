import { type Check, isObject } from "./checks.ts";

const PERMISSION = /^[^:]+:[^:]+$/;

/** `permissions` names one permission: a list would be compared as one name, and no user would match. */
export const checkPermissions: Check = (what, value) => {
  const { permissions } = isObject(value) ? value : {};
  return permissions === undefined ||
    (typeof permissions === "string" && PERMISSION.test(permissions))
    ? []
    : [`${what} must have one permission, such as permissions: "posts:write"`];
};

/** `roles` is a list: no user would match an empty one. */
export const checkRoles: Check = (what, value) => {
  const { roles } = isObject(value) ? value : {};
  return roles === undefined ||
    (Array.isArray(roles) && roles.length > 0 && roles.every((role) => typeof role === "string"))
    ? []
    : [`${what} must have a list of roles, such as roles: ["admin"]`];
};
