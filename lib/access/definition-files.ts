import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ServiceContract } from "../contract/contract.ts";
import { SERVICES_DIR } from "../contract/load.ts";
import { DEFINITION_FILE, definitionJson, permissionDefinition } from "./permission-definition.ts";

interface DefinitionFile {
  readonly path: string;
  /** Relative to the application's folder. */
  readonly name: string;
  readonly current: string | undefined;
  /** Undefined: the service needs none. */
  readonly wanted: string | undefined;
}

/** The files that differ from the contracts. */
function staleFiles(contracts: ReadonlyMap<string, ServiceContract>): DefinitionFile[] {
  return [...contracts.keys()]
    .map((service) => {
      const path = join(SERVICES_DIR, service, DEFINITION_FILE);
      const definition = permissionDefinition(contracts, service);
      return {
        path,
        name: `services/${service}/${DEFINITION_FILE}`,
        current: existsSync(path) ? readFileSync(path, "utf8").replaceAll("\r\n", "\n") : undefined,
        wanted: definition && definitionJson(definition),
      };
    })
    .filter(({ current, wanted }) => current !== wanted);
}

/** The names of the definition files that are stale, missing or superfluous. */
export const staleDefinitions = (contracts: ReadonlyMap<string, ServiceContract>): string[] =>
  staleFiles(contracts).map(({ name }) => name);

/**
 * Writes the definition files that differ from the contracts. The others are left alone.
 *
 * @returns the names of the files that it has written or removed
 */
export function writeDefinitions(contracts: ReadonlyMap<string, ServiceContract>): string[] {
  return staleFiles(contracts).map(({ path, name, wanted }) => {
    if (wanted === undefined) rmSync(path);
    else writeFileSync(path, wanted);
    return name;
  });
}
