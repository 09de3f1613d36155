import type { ServiceBroker } from "moleculer";
import type { GuardNode } from "./guard-node.ts";

const nodes = new WeakMap<ServiceBroker, GuardNode>();

export const attachGuardNode = (broker: ServiceBroker, node: GuardNode): void =>
  void nodes.set(broker, node);

/** @throws Error on a broker without the middleware `serviceGuard` */
export function guardNodeOf(broker: ServiceBroker): GuardNode {
  const node = nodes.get(broker);
  if (!node)
    throw new Error(
      "A sealed transporter needs serviceGuard: put it into the broker's option `middlewares`.",
    );
  return node;
}
