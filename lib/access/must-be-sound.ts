import type { ServiceContract } from "../contract/contract.ts";
import { mustBeKnown } from "./contract-problems.ts";
import type { Roles } from "./report.ts";
import { mustBeRoutable } from "./route-problems.ts";
import { mustBeDeliverable } from "./socket-problems.ts";
import { mustMatch } from "./warnings.ts";

/**
 * Checks all contracts: a node does not start, and `npm run access` fails, if a check fails.
 *
 * @throws Error that lists the declarations that are unknown, invalid, or match nothing
 */
export function mustBeSound(contracts: ReadonlyMap<string, ServiceContract>, roles: Roles): void {
  // first, since the other checks rely on known keys
  mustBeKnown(contracts.values());
  mustBeRoutable(contracts);
  mustBeDeliverable(contracts);
  mustMatch(contracts, roles);
}
