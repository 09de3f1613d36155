import { randomUUID } from "node:crypto";
import { type BrokerOptions, ServiceBroker, Transporters } from "moleculer";
import { sealed, serviceGuard } from "moleculer-service-guard";
import { OURS } from "../harness/suite.ts";

// The two compared sides. They differ only in the guard.

export const BARE = "bare Moleculer";
export const SIDES = [OURS, BARE] as const;
export type Side = (typeof SIDES)[number];

export interface NodeSettings {
  side: Side;
  namespace: string;
  /** The prefix of the node id. */
  service: string;
  /** All services of the namespace. */
  services: string[];
  credential?: (service: string) => string | undefined;
  /** The URL of nats-server. Without one the broker has no transporter. */
  url?: string;
}

/** A broker with Moleculer's own middlewares at their default settings. */
export function makeBroker(settings: NodeSettings): ServiceBroker {
  const options: BrokerOptions = {
    namespace: settings.namespace,
    logger: false,
    internalServices: false,
    requestTimeout: 10_000,
    // Moleculer's default ids are cheaper but predictable, and a response is matched on its id
    uidGenerator: () => randomUUID(),
    skipProcessEventRegistration: true,
  };
  return new ServiceBroker({
    ...options,
    ...(settings.side === BARE ? bare(settings) : guarded(settings)),
  });
}

function bare({ service, url }: NodeSettings): BrokerOptions {
  return {
    // as long as Moleculer's default, the host name and the process id; unique among the brokers of one process
    nodeID: `${service}-${process.pid}`,
    ...(url && { transporter: new Transporters.NATS({ url }) }),
  };
}

function guarded({ service, services, credential, url }: NodeSettings): BrokerOptions {
  const guard = serviceGuard({ services, service, ...(credential && { credential }) });
  return {
    nodeID: guard.nodeID,
    middlewares: [guard],
    ...(url && { transporter: new (sealed(Transporters.NATS))({ url }) }),
  };
}
