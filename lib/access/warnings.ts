import { GATEWAY } from "./access.ts";
import type { Roles } from "./report.ts";
import type { ServiceContract } from "../contract.ts";
import { permissionsOf } from "../contracts.ts";
import { declaredActions, declaredHandlers, emittersOf } from "./endpoints.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** Declarations that match nothing: each is dead, or somebody expects of it what it does not do. */
export function accessWarnings(contracts: Contracts, roles: Roles): string[] {
  return [
    ...actionWarnings(contracts),
    ...eventWarnings(contracts),
    ...permissionWarnings(contracts, roles),
  ].toSorted();
}

function actionWarnings(contracts: Contracts): string[] {
  return declaredActions(contracts).flatMap(({ name, access: { restricted }, route, isClosed }) => {
    const shut = route !== undefined && restricted && !restricted.includes(GATEWAY);
    const isForRoutes = restricted?.length === 1 && restricted[0] === GATEWAY;
    const isLost = isForRoutes && route === undefined && !isClosed;
    return [
      ...(isLost
        ? [`${name} is for ${GATEWAY} alone and has no route: say so with 'closed: true'`]
        : []),
      ...(isClosed && route !== undefined ? [`${name} is closed, but has the route ${route}`] : []),
      ...(restricted ?? [])
        .filter((service) => !contracts.has(service))
        .map((service) => `${name} is restricted to ${service}, which is no service`),
      ...(shut ? [`${name} has the route ${route}, but refuses ${GATEWAY}`] : []),
    ];
  });
}

function eventWarnings(contracts: Contracts): string[] {
  const emitters = emittersOf(contracts);
  return declaredHandlers(contracts).flatMap(({ name: what, event, access }) => {
    const emitting = emitters.get(event);
    if (!emitting) return [`${what}: nobody emits it`];
    const { restricted } = access;
    if (!restricted) return [];
    return [
      ...restricted
        .filter((name) => !emitting.includes(name))
        .map((name) => `${what}: ${name} is listed and does not emit it`),
      ...emitting
        .filter((name) => !restricted.includes(name))
        .map((name) => `${what}: ${name} emits it and is refused`),
    ];
  });
}

function permissionWarnings(contracts: Contracts, roles: Roles): string[] {
  const known = permissionsOf(contracts);
  const needed = [...declaredActions(contracts), ...declaredHandlers(contracts)].flatMap(
    ({ name, access: { permissions } }) => (permissions ? [{ name, permissions }] : []),
  );
  const held = [...roles].flatMap(([role, permissions]) =>
    permissions.map((permission) => ({ role, permission })),
  );
  // a role that holds everything says nothing about what is of use
  const isChosen = (role: string) => known.some((one) => !roles.get(role)?.includes(one));
  return [
    ...known
      .filter((one) => !needed.some(({ permissions }) => permissions === one))
      .filter((one) => !held.some(({ role, permission }) => permission === one && isChosen(role)))
      .map((one) => `permission ${one}: no action needs it and no role has it by name`),
    ...needed
      .filter(({ permissions }) => !known.includes(permissions))
      .map(({ name, permissions }) => `${name} needs ${permissions}, which no contract knows`),
    ...held
      .filter(({ permission }) => !known.includes(permission))
      .map(({ role, permission }) => `role ${role} has ${permission}, which no contract knows`),
  ];
}
