import type { ServiceContract } from "../contract/contract.ts";
import { mustBeKnown } from "./contract-problems.ts";
import type { Roles } from "./report.ts";
import { mustBeRoutable } from "./route-problems.ts";
import { mustBeDeliverable } from "./socket-problems.ts";
import { mustMatch } from "./warnings.ts";

/**
 * Refuses what no node may start with, and what `npm run access` therefore does not describe.
 *
 * @throws Error that names each declaration that is unknown, cannot be, or matches nothing
 */
export function mustBeSound(contracts: ReadonlyMap<string, ServiceContract>, roles: Roles): void {
  // the others read what is known
  mustBeKnown(contracts.values());
  mustBeRoutable(contracts);
  mustBeDeliverable(contracts);
  mustMatch(contracts, roles);
}
