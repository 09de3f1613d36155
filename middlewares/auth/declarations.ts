import type { ServiceSchema } from "moleculer";
import { isListOfRoles, isPermission } from "../../lib/access/access-checks.ts";
import { definitionsOf, type Endpoint, isInternal, isPrivate } from "../../lib/context/hooks.ts";
import { isSubjectType } from "../../lib/tokens/subject-type.ts";

const KINDS = ["required", "optional", "none", "context"] as const;

/** What an action or event handler requires of the user. */
export interface Requirement {
  auth: (typeof KINDS)[number];
  permission: string | undefined;
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
  permission: permissions as string | undefined,
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
    if (permissions !== undefined && !isPermission(permissions))
      throw new Error(`${what} must declare one permission, such as permissions: "posts:write".`);
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
