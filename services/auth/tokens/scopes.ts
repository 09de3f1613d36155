import { CitadelError } from "../../../lib/errors/errors.ts";

/** Permissions as OAuth's scopes (RFC 6749, 3.3): `posts:write` is both. */

export interface Granted {
  permissions: readonly string[];
  /** For the token's claim: only where a scope was asked for. */
  scope?: string;
}

const join = (permissions: readonly string[]) => permissions.join(" ");

/**
 * What a request for this scope gets of the permissions that its subject holds; without a scope it gets
 * them all. What is unknown or not held is left out: the response states what was granted.
 *
 * @throws CitadelError VALIDATION_ERROR of `scope` if nothing would be left
 */
export function grantFor(held: readonly string[], asked: string | undefined): Granted {
  if (asked === undefined) return { permissions: held };
  const names = new Set(asked.split(" "));
  const permissions = held.filter((name) => names.has(name));
  if (permissions.length > 0) return { permissions, scope: join(permissions) };
  throw new CitadelError("VALIDATION_ERROR", {
    message: "Nothing of this scope may be granted. Leave 'scope' out to get all that may.",
    data: [{ field: "scope", type: "scopeNotHeld", message: "None of these is held." }],
  });
}

/** The response's `scope`, which cannot be empty (RFC 6749, 5.1). */
export const stateScope = ({ permissions }: Granted): { scope?: string } =>
  permissions.length > 0 ? { scope: join(permissions) } : {};
