import { GATEWAY } from "../contract/route.ts";
import type { Roles } from "./report.ts";
import type { ServiceContract } from "../contract/contract.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import { permissionsOf } from "../contract/load.ts";
import {
  type DeclaredAction,
  declaredActions,
  declaredHandlers,
  declaredSubscriptions,
  emittersOf,
} from "./endpoints.ts";
import { type Strictness, strictProblems } from "./strict-problems.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/**
 * Declarations that have no effect, or not the one that their author expects. None of them allows more than it
 * declares.
 */
export function accessWarnings(
  contracts: Contracts,
  roles: Roles,
  strictness: Strictness,
): string[] {
  return [
    ...actionWarnings(contracts),
    ...eventWarnings(contracts),
    ...(strictness.strictPermissions ? [] : strictProblems(contracts, roles, strictness)),
  ].toSorted();
}

/** Declarations that must be mistakes. A node with one of them does not start. */
function accessProblems(contracts: Contracts, roles: Roles, strictness: Strictness): string[] {
  return [
    ...(strictness.strictPermissions ? strictProblems(contracts, roles, strictness) : []),
    ...actionProblems(contracts),
    ...callerProblems(contracts),
    ...eventProblems(contracts),
    ...permissionProblems(contracts, roles),
    ...roleProblems(contracts, roles),
  ].toSorted();
}

/** @throws Error that lists the mistaken declarations of access */
export function mustMatch(contracts: Contracts, roles: Roles, strictness: Strictness): void {
  const problems = accessProblems(contracts, roles, strictness);
  if (problems.length > 0)
    throw new Error(
      `These declarations of access are mistakes:\n${problems.map((one) => `  - ${one}`).join("\n")}\n` +
        "Correct the declaration, or remove it.",
    );
}

function actionWarnings(contracts: Contracts): string[] {
  return declaredActions(contracts).flatMap(
    ({ name, access: { restricted }, isClosed, ...way }) => {
      const isForRoutes = restricted?.length === 1 && restricted[0] === GATEWAY;
      const isUnreachable = way.route === undefined && way.socket === undefined;
      return isForRoutes && isUnreachable && !isClosed
        ? [
            `${name} is restricted to ${GATEWAY} and has no route: declare a route or 'closed: true'`,
          ]
        : [];
    },
  );
}

function actionProblems(contracts: Contracts): string[] {
  return declaredActions(contracts).flatMap(({ name, route, socket, isClosed }) => [
    ...(isClosed && route !== undefined ? [`${name} is closed, but has the route ${route}`] : []),
    ...(isClosed && socket !== undefined
      ? [`${name} is closed, but has the socket event ${socket}`]
      : []),
  ]);
}

function callerProblems(contracts: Contracts): string[] {
  return [...declaredActions(contracts), ...declaredHandlers(contracts)].flatMap(
    ({ name, access: { restricted } }) =>
      (restricted ?? [])
        .filter((service) => !contracts.has(service))
        .map((service) => `${name} is restricted to ${service}, but there is no such service`),
  );
}

function eventWarnings(contracts: Contracts): string[] {
  const emitters = emittersOf(contracts);
  return declaredHandlers(contracts).flatMap(({ name: what, event, access: { restricted } }) => {
    const emitting = emitters.get(event);
    if (!emitting || !restricted) return [];
    return emitting
      .filter((name) => !restricted.includes(name))
      .map((name) => `${what}: ${name} emits it and is refused`);
  });
}

function eventProblems(contracts: Contracts): string[] {
  const emitters = emittersOf(contracts);
  return declaredHandlers(contracts)
    .filter(({ event }) => !emitters.has(event))
    .map(({ name }) => `${name}: no service emits it`);
}

function permissionProblems(contracts: Contracts, roles: Roles): string[] {
  const known = permissionsOf(contracts);
  return [
    ...neededPermissions(contracts)
      .filter(({ permission }) => !known.includes(permission))
      .map(({ name, permission }) => `${name} needs ${permission}, which no contract declares`),
    ...[...roles].flatMap(([role, held]) =>
      held
        .filter((permission) => !known.includes(permission))
        .map((permission) => `role ${role} has ${permission}, which no contract declares`),
    ),
  ];
}

function roleProblems(contracts: Contracts, known: Roles): string[] {
  return needingUsers(contracts).flatMap(({ name, access: { roles = [] } }) =>
    roles
      .filter((role) => !known.has(role))
      .map((role) => `${name} needs the role ${role}, but there is no such role`),
  );
}

/** The actions, handlers and subscriptions, which may need a permission or a role. */
const needingUsers = (contracts: Contracts): DeclaredAction[] => [
  ...declaredActions(contracts),
  ...declaredHandlers(contracts),
  ...declaredSubscriptions(contracts),
];

/** The permissions that they name. */
const neededPermissions = (contracts: Contracts) =>
  needingUsers(contracts).flatMap(({ name, access: { permissions } }) =>
    namedPermissions(permissions).map((permission) => ({ name, permission })),
  );
