import type { ServiceContract } from "../contract/contract.ts";
import { namedPermissions } from "../contract/declarations/permission.ts";
import { type DeclaredAction, declaredActions, declaredHandlers } from "./endpoints.ts";
import { type DefinedPermission, definedPermissions } from "./grantable.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** The file in a service's folder. */
export const DEFINITION_FILE = "permission-definition.json";

/** A permission, and the service's own actions and events that need it. */
interface UsedPermission extends DefinedPermission {
  readonly actions: readonly string[];
  readonly events: readonly string[];
}

/** The permissions that a service declares or needs, and its actions that need none. */
export interface PermissionDefinition {
  readonly service: string;
  readonly permissions: readonly UsedPermission[];
  /** The routes' actions that need no user. */
  readonly anonymous: readonly string[];
  /** The actions that need a user and no permission. */
  readonly anyUser: readonly string[];
}

/** The definition of a service; undefined if the service neither declares nor needs a permission. */
export function permissionDefinition(
  contracts: Contracts,
  service: string,
): PermissionDefinition | undefined {
  const isOwn = (declared: { readonly service: string }) => declared.service === service;
  const actions = declaredActions(contracts).filter(isOwn);
  const handlers = declaredHandlers(contracts).filter(isOwn);
  const needs = ({ access }: DeclaredAction) => namedPermissions(access.permissions);
  const needed = new Set([...actions, ...handlers].flatMap(needs));
  const permissions = definedPermissions(contracts)
    .filter(({ name }) => name.startsWith(`${service}:`) || needed.has(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((permission) => ({
      ...permission,
      actions: namesOf(actions.filter((one) => needs(one).includes(permission.name))),
      events: handlers
        .filter((one) => needs(one).includes(permission.name))
        .map(({ event }) => event)
        .toSorted(),
    }));
  if (permissions.length === 0) return undefined;
  return {
    service,
    permissions,
    anonymous: namesOf(
      actions.filter(({ access, route }) => access.auth === "none" && route !== undefined),
    ),
    anyUser: namesOf(
      actions.filter((one) => one.access.auth === "required" && needs(one).length === 0),
    ),
  };
}

const namesOf = (actions: readonly DeclaredAction[]) => actions.map(({ name }) => name).toSorted();

/** The longest line that the formatter leaves as it is. */
const MAX_WIDTH = 100;

/** A definition as JSON, as the formatter writes it: a list is on one line if it fits. */
export const definitionJson = (definition: PermissionDefinition): string =>
  `${write(definition, "", 0)}\n`;

/** @param width the length of what is on the same line, before and after the value */
function write(value: unknown, indent: string, width: number): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const line = JSON.stringify(value).replaceAll('","', '", "');
    const isFlat = value.every((one) => typeof one !== "object");
    if (isFlat && width + line.length <= MAX_WIDTH) return line;
    const items = value.map((one) => `${inner}${write(one, inner, MAX_WIDTH)}`);
    return `[\n${items.join(",\n")}\n${indent}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value);
  const lines = entries.map(([key, one], at) => {
    const start = `${inner}${JSON.stringify(key)}: `;
    const comma = at < entries.length - 1 ? 1 : 0;
    return `${start}${write(one, inner, start.length + comma)}`;
  });
  return `{\n${lines.join(",\n")}\n${indent}}`;
}
