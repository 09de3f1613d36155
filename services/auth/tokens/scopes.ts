import { CitadelError } from "../../../lib/errors/errors.ts";

// OAuth's scopes are our permissions (RFC 6749, 3.3): `posts:write` is both.

export interface GrantedScope {
  permissions: readonly string[];
  /** The claim `scope`; undefined: the client requested no scope. */
  scope?: string;
}

const join = (permissions: readonly string[]) => permissions.join(" ");

/**
 * The requested part of the held permissions; without a requested scope, all of them. Unknown permissions, and those
 * that are not held, are left out: the response states what was granted.
 *
 * @throws CitadelError VALIDATION_ERROR of `scope` if nothing is left
 */
export function grantScope(held: readonly string[], requested: string | undefined): GrantedScope {
  if (requested === undefined) return { permissions: held };
  const names = new Set(requested.split(" "));
  const permissions = held.filter((name) => names.has(name));
  if (permissions.length > 0) return { permissions, scope: join(permissions) };
  throw new CitadelError("VALIDATION_ERROR", {
    message: "Nothing in this scope can be granted. Omit 'scope' to get all permissions.",
    data: [{ field: "scope", type: "scopeNotHeld", message: "None of these is held." }],
  });
}

/** The response's `scope`, which must not be empty (RFC 6749, 5.1). */
export const scopeOf = ({ permissions }: GrantedScope): { scope?: string } =>
  permissions.length > 0 ? { scope: join(permissions) } : {};
