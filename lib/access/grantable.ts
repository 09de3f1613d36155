import type { ServiceContract } from "../contract/contract.ts";
import type { PermissionContract } from "../contract/declarations/permission.ts";
import type { SubjectType } from "../tokens/subject-type.ts";

type ProgramType = Extract<
  SubjectType,
  "ServiceAccount" | "ManagedServiceAccount" | "EndUserApplication"
>;

/** Who may get a permission: a role, or a program's account of this subject type. */
export type Grantee = "role" | ProgramType;

/** A permission and its declaration. */
export interface DefinedPermission extends PermissionContract {
  /** `posts:write`. */
  readonly name: string;
}

/** Every permission that some contract declares. */
export const definedPermissions = (
  contracts: ReadonlyMap<string, ServiceContract>,
): DefinedPermission[] =>
  [...contracts.values()].flatMap(({ name: service, permissions = {} }) =>
    Object.entries(permissions).map(([key, permission]) => ({
      name: `${service}:${key}`,
      ...permission,
    })),
  );

/** Whether a permission can be granted to such a grantee in this environment. */
export const isGrantable = (
  { usedForDevelopment, usedByManagedServiceOnly }: PermissionContract,
  grantee: Grantee,
  { production }: { readonly production: boolean },
): boolean =>
  !(usedForDevelopment && production) &&
  !(usedByManagedServiceOnly && grantee !== "ManagedServiceAccount");

/** The names of the permissions that can be granted to such a grantee in this environment. */
export const grantablePermissions = (
  contracts: ReadonlyMap<string, ServiceContract>,
  grantee: Grantee,
  environment: { readonly production: boolean },
): string[] =>
  definedPermissions(contracts)
    .filter((permission) => isGrantable(permission, grantee, environment))
    .map(({ name }) => name);
