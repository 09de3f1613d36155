import type { ServiceBroker } from "moleculer";
import { guardNodeOf } from "../node/attachment.ts";
import type { GuardAuthority } from "./authority.ts";

/**
 * Makes this process a guard node: its own services ask this authority, other nodes ask it over the bus.
 *
 * @returns what ends that
 */
export function attachAuthority(broker: ServiceBroker, authority: GuardAuthority): () => void {
  const node = guardNodeOf(broker);
  node.authorityStarted(authority);
  return () => node.authorityStopped();
}
