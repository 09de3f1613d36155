import type { ServiceBroker } from "moleculer";
import { guardNodeOf } from "../node/attachment.ts";
import type { GuardAuthority } from "./authority.ts";

/**
 * Makes this process a guard node: it issues identity tokens for its own services and for other nodes.
 *
 * @returns a function that ends this
 */
export function attachAuthority(broker: ServiceBroker, authority: GuardAuthority): () => void {
  const node = guardNodeOf(broker);
  node.authorityStarted(authority);
  return () => node.authorityStopped();
}
