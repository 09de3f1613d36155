import type { ServiceBroker } from "moleculer";
import type { GuardNode } from "./guard-node.ts";

const nodes = new WeakMap<ServiceBroker, GuardNode>();

export const attachGuardNode = (broker: ServiceBroker, node: GuardNode): void =>
  void nodes.set(broker, node);

/**
 * Has a service of this process a valid identity, or does it get one within the timeout?
 *
 * @param timeout milliseconds
 * @throws Error on a broker without the middleware `serviceGuard`
 */
export async function hasIdentity(
  broker: ServiceBroker,
  service: string,
  timeout: number,
): Promise<boolean> {
  const { identities, enrolment } = guardNodeOf(broker);
  if (identities.isValid(service)) return true;
  return enrolment.ensure(service, timeout).then(
    () => true,
    () => false,
  );
}

/** @throws Error on a broker without the middleware `serviceGuard` */
export function guardNodeOf(broker: ServiceBroker): GuardNode {
  const node = nodes.get(broker);
  if (!node)
    throw new Error(
      "A sealed transporter needs serviceGuard. Put it into the broker's option `middlewares`.",
    );
  return node;
}
