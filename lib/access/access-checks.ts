import type { Access } from "../contract/declarations/access.ts";
import { type Check, isObject, type KeysOf } from "./checks.ts";

const isPermission = (value: unknown): boolean =>
  typeof value === "string" && /^[^:]+:[^:]+$/.test(value);

/** Whether a value names a permission, or several in a list, or is `null`. No user would match an empty list. */
export const arePermissions = (value: unknown): boolean =>
  value === null ||
  isPermission(value) ||
  (Array.isArray(value) && value.length > 0 && value.every(isPermission));

/** What `permissions` may be, for messages. */
export const PERMISSIONS_FORM =
  'permissions: "posts:write", a list of which any one suffices, or null if none is needed';

/** `permissions` names permissions. */
export const checkPermissions: Check = (what, value) => {
  const { permissions } = isObject(value) ? value : {};
  return permissions === undefined || arePermissions(permissions)
    ? []
    : [`${what} must have ${PERMISSIONS_FORM}`];
};

/** The kinds of `auth`. */
const AUTH: KeysOf<Access["auth"]> = { required: true, optional: true, none: true, context: true };

/** `auth` is one of its kinds, and what a user must meet is declared only where a user is required. */
export const checkAuth: Check = (what, value) => {
  const { auth, ...declared } = isObject(value) ? value : {};
  if (auth === undefined || auth === "required") return [];
  if (typeof auth !== "string" || !Object.hasOwn(AUTH, auth))
    return [`${what} must have one of these as 'auth': ${Object.keys(AUTH).join(", ")}`];
  return ["permissions", "roles", "subjects"]
    .filter((key) => declared[key] !== undefined)
    .map((key) => `${what} declares ${key}, so it must declare auth: "required"`);
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
