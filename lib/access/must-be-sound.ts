import type { ServiceContract } from "../contract/contract.ts";
import { mustBeKnown } from "./contract-problems.ts";
import { mustBeQueueable } from "./queue-problems.ts";
import { mustRefer } from "./reference-problems.ts";
import type { Roles } from "./report.ts";
import { mustBeRoutable } from "./route-problems.ts";
import { mustBeDeliverable } from "./socket-problems.ts";
import { mustBeSubscribable } from "./subscription-problems.ts";
import type { Strictness } from "./strict-problems.ts";
import { mustMatch } from "./warnings.ts";

/**
 * Checks all contracts. If a check fails, a node does not start, and `npm run access` fails.
 *
 * @throws Error that lists the unknown and invalid declarations
 */
export function mustBeSound(
  contracts: ReadonlyMap<string, ServiceContract>,
  roles: Roles,
  strictness: Strictness,
): void {
  // first, since the other checks rely on known keys
  mustBeKnown(contracts.values());
  mustBeRoutable(contracts);
  mustBeDeliverable(contracts);
  mustBeSubscribable(contracts);
  mustBeQueueable(contracts);
  mustRefer(contracts);
  mustMatch(contracts, roles, strictness);
}
