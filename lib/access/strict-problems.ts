import type { ServiceContract } from "../contract/contract.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import {
  declaredActions,
  declaredHandlers,
  declaredSubscriptions,
  emittersOf,
} from "./endpoints.ts";
import { definedPermissions, isGrantable } from "./grantable.ts";
import type { Roles } from "./report.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** How strictly the declarations of access are checked. */
export interface Strictness {
  /** Whether what `strictProblems` finds is an error, and not only a warning. */
  readonly strictPermissions: boolean;
  readonly production: boolean;
}

/**
 * What STRICT_PERMISSIONS makes an error: an action without a decision about its permission, and names that are listed
 * and have no effect.
 */
export function strictProblems(
  contracts: Contracts,
  roles: Roles,
  environment: Pick<Strictness, "production">,
): string[] {
  return [
    ...undecidedProblems(contracts),
    ...unusedPermissions(contracts, roles),
    ...idleCallers(contracts),
    ...ungrantableProblems(contracts, roles, environment),
  ];
}

const withAccess = (contracts: Contracts) => [
  ...declaredActions(contracts),
  ...declaredHandlers(contracts),
  ...declaredSubscriptions(contracts),
];

function undecidedProblems(contracts: Contracts): string[] {
  return withAccess(contracts)
    .filter(({ access: { auth, permissions } }) => auth === "required" && permissions === undefined)
    .map(({ name }) => `${name} needs a user: name a permission, or declare 'permissions: null'`);
}

function unusedPermissions(contracts: Contracts, roles: Roles): string[] {
  const known = definedPermissions(contracts);
  const needed = new Set(
    withAccess(contracts).flatMap(({ access: { permissions } }) => namedPermissions(permissions)),
  );
  // a role that holds all permissions does not show which ones are used
  const isChosen = (role: string) =>
    known
      .filter((one) => isGrantable(one, "role", { production: true }))
      .some(({ name }) => !roles.get(role)?.includes(name));
  const held = new Set(
    [...roles].flatMap(([role, permissions]) => (isChosen(role) ? permissions : [])),
  );
  return known
    .filter(({ name }) => !needed.has(name) && !held.has(name))
    .map(({ name }) => `permission ${name}: no action needs it and no role has it by name`);
}

function idleCallers(contracts: Contracts): string[] {
  const emitters = emittersOf(contracts);
  return declaredHandlers(contracts).flatMap(({ name: what, event, access: { restricted } }) => {
    const emitting = emitters.get(event);
    if (!emitting || !restricted) return [];
    return restricted
      .filter((name) => contracts.has(name) && !emitting.includes(name))
      .map((name) => `${what}: ${name} is listed and does not emit it`);
  });
}

/** The permissions that a role lists and that no role can have in this environment. */
function ungrantableProblems(
  contracts: Contracts,
  roles: Roles,
  environment: Pick<Strictness, "production">,
): string[] {
  const known = new Map(definedPermissions(contracts).map((one) => [one.name, one]));
  return [...roles].flatMap(([role, permissions]) =>
    permissions.flatMap((name) => {
      const permission = known.get(name);
      if (!permission || isGrantable(permission, "role", environment)) return [];
      const kind = permission.usedByManagedServiceOnly ? "managed services" : "development";
      return [`role ${role} has ${name}, which is only for ${kind}`];
    }),
  );
}
