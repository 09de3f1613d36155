import type { ServiceSchema } from "moleculer";
import { arePermissions, isListOfRoles, PERMISSIONS_FORM } from "../../lib/access/access-checks.ts";
import { namedPermissions } from "../../lib/contract/declarations/permission.ts";
import { definitionsOf, type Endpoint, isInternal, isPrivate } from "../../lib/context/hooks.ts";
import type { Access } from "../../lib/contract/declarations/access.ts";
import { isSubjectType } from "../../lib/tokens/subject-type.ts";

const KINDS = ["required", "optional", "none", "context"] as const;

/** What an action or event handler requires of the user. */
export interface Requirement {
  auth: (typeof KINDS)[number];
  /** The user must hold one of them, if there are any. */
  permissions: readonly string[];
  /** The user must have one of them. */
  roles: readonly string[] | undefined;
  subjects: readonly unknown[] | undefined;
}

/** The requirement that an endpoint declares. Without a valid `auth` a user is required. */
export const requirementOf = ({
  auth,
  permissions,
  roles,
  subjects,
}: Pick<Endpoint, "auth" | "permissions" | "roles" | "subjects">): Requirement => ({
  auth: KINDS.find((kind) => kind === auth) ?? "required",
  // checkDeclarations has checked these types
  permissions: namedPermissions(permissions as Access["permissions"]),
  roles: roles as readonly string[] | undefined,
  subjects: subjects as readonly unknown[] | undefined,
});

/**
 * Checks what the actions and event handlers of a service declare about the user.
 *
 * @throws Error for the first declaration that is missing or invalid
 */
export function checkDeclarations(schema: ServiceSchema): void {
  const actions = definitionsOf(schema.actions).filter(([, action]) => !isPrivate(action));
  const events = definitionsOf(schema.events).filter(([event]) => !isInternal(event));
  for (const [name, { auth, permissions, roles, subjects }] of [...actions, ...events]) {
    const what = `'${name}' of the service '${schema.name}'`;
    if (!(KINDS as readonly unknown[]).includes(auth))
      throw new Error(`${what} must declare auth: "required", "optional", "none" or "context".`);
    if (permissions !== undefined && !arePermissions(permissions))
      throw new Error(`${what} must declare ${PERMISSIONS_FORM}.`);
    if (permissions !== undefined && auth !== "required")
      throw new Error(`${what} declares permissions, so it must declare auth: "required".`);
    if (roles !== undefined && !isListOfRoles(roles))
      throw new Error(`${what} must declare a list of roles, such as roles: ["admin"].`);
    if (roles !== undefined && auth !== "required")
      throw new Error(`${what} declares roles, so it must declare auth: "required".`);
    if (subjects === undefined) continue;
    if (auth !== "required")
      throw new Error(`${what} declares subjects, so it must declare auth: "required".`);
    if (!Array.isArray(subjects) || subjects.length === 0 || !subjects.every(isSubjectType))
      throw new Error(
        `${what} must declare a list of subject types (lib/tokens/subject-type.ts) as subjects.`,
      );
  }
}
