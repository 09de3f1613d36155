import type { ServiceContract } from "../contract/contract.ts";
import type { PermissionContract } from "../contract/declarations/permission.ts";
import { type Check, isObject, type KeysOf, unknownKeys } from "./checks.ts";

const PERMISSION: KeysOf<keyof PermissionContract> = {
  title: true,
  description: true,
  usedForDevelopment: true,
  usedByManagedServiceOnly: true,
};

/** The part of a permission's name after the colon. */
const NAME = /^[^:]+$/;

const isText = (value: unknown) => typeof value === "string" && value.trim() !== "";

const checkPermission: Check = (what, value) => {
  const unknown = unknownKeys(PERMISSION)(what, value);
  if (!isObject(value)) return unknown;
  const flags = ["usedForDevelopment", "usedByManagedServiceOnly"] as const;
  return [
    ...unknown,
    ...(isText(value.title) ? [] : [`${what} must have a title, such as "Posts: Write"`]),
    ...(isText(value.description) ? [] : [`${what} must have a description`]),
    ...flags
      .filter((flag) => value[flag] !== undefined && value[flag] !== true)
      .map((flag) => `${what} must have '${flag}: true' or no '${flag}'`),
  ];
};

/** The problems of the permissions that a contract declares. */
export function permissionProblems({ name: service, permissions }: ServiceContract): string[] {
  if (permissions === undefined) return [];
  if (!isObject(permissions)) return [`permissions of '${service}' must be an object`];
  return Object.entries(permissions).flatMap(([key, value]) => {
    const what = `the permission '${service}:${key}'`;
    return [
      ...(NAME.test(key) ? [] : [`${what} must have a name without a colon`]),
      ...checkPermission(what, value),
    ];
  });
}

/** Permissions with the same title: a person who makes a role could not tell them apart. */
export function sharedTitles(contracts: Iterable<ServiceContract>): string[] {
  const declared = [...contracts].flatMap(({ name, permissions = {} }) =>
    Object.entries(permissions).map(([key, { title }]) => ({ title, name: `${name}:${key}` })),
  );
  return [...Map.groupBy(declared, ({ title }) => title.trim().toLowerCase())]
    .filter(([, permissions]) => permissions.length > 1)
    .map(
      ([, permissions]) =>
        `the permissions ${permissions.map(({ name }) => name).join(" and ")} have the same title`,
    );
}
