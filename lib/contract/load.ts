import { existsSync, globSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import type { ActionContract, Method } from "./declarations/action.ts";
import type { ServiceContract } from "./contract.ts";
import type { ServiceExamples } from "./examples.ts";

/** The folder of the services, one subfolder each. */
export const SERVICES_DIR = join(import.meta.dirname, "..", "..", "services");

const require = createRequire(import.meta.url);

/** The names of all services: the folders that contain a contract. */
export function serviceNames(): string[] {
  return globSync("*/*.contract.ts", { cwd: SERVICES_DIR })
    .filter((file) => basename(file) === `${dirname(file)}.contract.ts`)
    .map((file) => dirname(file))
    .toSorted();
}

/** Whether a service has a database, that is, migrations. */
export function hasDatabase(service: string): boolean {
  return existsSync(join(SERVICES_DIR, service, "migrations"));
}

/** All contracts, by service. Synchronous, since Moleculer loads its configuration synchronously. */
export function loadContracts(): ReadonlyMap<string, ServiceContract> {
  return new Map(
    serviceNames().map((name) => {
      const file = join(SERVICES_DIR, name, `${name}.contract.ts`);
      const { contract } = require(file) as { contract: ServiceContract };
      return [name, contract];
    }),
  );
}

/** The examples of all services that have some. */
export function loadExamples(): ReadonlyMap<string, ServiceExamples> {
  return new Map(
    serviceNames().flatMap((name) => {
      const file = join(SERVICES_DIR, name, `${name}.examples.ts`);
      if (!existsSync(file)) return [];
      const { examples } = require(file) as { examples: ServiceExamples };
      return [[name, examples] as const];
    }),
  );
}

/** A route and the action behind it. */
export interface Route {
  method: Method;
  path: string;
  /** The action's full name. */
  action: string;
  contract: ActionContract;
}

/** Every route that some contract declares. */
export function routesOf(contracts: ReadonlyMap<string, ServiceContract>): Route[] {
  return [...contracts.values()].flatMap(({ name, actions }) =>
    Object.entries(actions).flatMap(([action, contract]) => {
      if (!contract.rest) return [];
      const [method, path] = contract.rest.split(" ") as [Method, string];
      return [{ method, path, action: `${name}.${action}`, contract }];
    }),
  );
}

/** The actions that change something and need no access token, such as registering and signing in. */
export const publicWrites = (routes: readonly Route[]): ReadonlySet<string> =>
  new Set(
    routes
      .filter(({ method, contract }) => method !== "GET" && contract.auth !== "required")
      .map(({ action }) => action),
  );

/** Whether the response is the same for all clients: a GET route that needs no access token. */
export const isForEverybody = ({ rest, auth }: ActionContract): boolean =>
  auth === "none" && rest?.startsWith("GET ") === true;

/** Every permission that some contract declares, `"posts:write"`. */
export function permissionsOf(contracts: ReadonlyMap<string, ServiceContract>): string[] {
  return [...contracts.values()].flatMap(({ name, permissions = {} }) =>
    Object.keys(permissions).map((permission) => `${name}:${permission}`),
  );
}
