import { type Context, Errors, type Middleware, type ServiceBroker } from "moleculer";
import { type Handler, toMiddleware } from "../lib/context/hooks.ts";
import { CitadelError } from "../lib/errors/errors.ts";

/** The part of nats.js's connection that is used here. */
interface NatsClient {
  status(): AsyncIterable<{ type: string }>;
  flush(): Promise<void>;
}

/** Moleculer's internals that its types lack. */
interface WithTransporter {
  transit?: {
    tx: { client?: Partial<NatsClient> | null };
    removePendingRequestByNodeID(nodeID: string): void;
  };
  registry: {
    nodes: { toArray(): { id: string; local: boolean }[] };
    discoverer: { sendLocalNodeInfo(): Promise<void> };
  };
}

/** How long remote calls wait for a reconnection, in milliseconds; a restarted NATS server is back by then. */
const RECONNECTION_TIMEOUT = 3_000;
/**
 * The time from the reconnection to the first remote call, in milliseconds. Other nodes try to reconnect four times a
 * second, and a call that is sent before they have is lost.
 */
const SETTLING_TIME = 500;

/**
 * Reports when NATS disconnects and reconnects, which Moleculer's NATS transporter does not: in the log, and by the events
 * of Moleculer's other transporters, `$transporter.disconnected` and `$transporter.connected`. Broadcasts in
 * between are lost.
 *
 * While disconnected, nats.js discards what it is given. So remote calls wait here for the reconnection. After
 * RECONNECTION_TIMEOUT they are refused, new ones at once, and calls in progress are rejected.
 */
export const transporterStatus = (broker: ServiceBroker): Middleware => {
  /** Pending while NATS is disconnected. Resolves to whether it has reconnected in time. */
  let reconnection: PromiseWithResolvers<boolean> | undefined;
  let timeout: NodeJS.Timeout | undefined;
  let settling: NodeJS.Timeout | undefined;
  let hasTimedOut = false;

  const refuseCalls = () => {
    broker.logger.warn("NATS is still disconnected. Calls to other nodes are refused.");
    hasTimedOut = true;
    reconnection?.resolve(false);
    const { transit, registry } = broker as unknown as WithTransporter;
    for (const { id, local } of registry.nodes.toArray())
      if (!local) transit?.removePendingRequestByNodeID(id);
  };

  const onDisconnect = () => {
    clearTimeout(settling);
    reconnection ??= Promise.withResolvers();
    timeout ??= setTimeout(refuseCalls, RECONNECTION_TIMEOUT);
    timeout.unref();
  };

  const stopWaiting = (isConnected: boolean) => {
    clearTimeout(timeout);
    clearTimeout(settling);
    timeout = undefined;
    reconnection?.resolve(isConnected);
    reconnection = undefined;
  };

  const onReconnect = () => {
    clearTimeout(timeout);
    timeout = undefined;
    // new calls wait for the settling time; the resolved promise would refuse them
    if (hasTimedOut) reconnection = Promise.withResolvers();
    hasTimedOut = false;
    settling = setTimeout(stopWaiting, SETTLING_TIME, true);
  };

  /** Logs a failure instead of throwing it: if the loop ended, calls would wait for ever. */
  const attempt = (work: Promise<unknown>) =>
    work.catch((error: unknown) =>
      broker.logger.error(
        { err: error },
        "The node could not be informed that the NATS connection has changed.",
      ),
    );

  const watch = async (client: NatsClient) => {
    for await (const { type } of client.status()) {
      if (type === "disconnect") {
        broker.logger.warn("NATS disconnected; reconnecting.");
        onDisconnect();
        await attempt(broker.broadcastLocal("$transporter.disconnected", { graceFul: false }));
      } else if (type === "reconnect") {
        broker.logger.warn("NATS reconnected.");
        // after a flush the subscriptions for responses are active; if it fails, "reconnect" will be reported again
        const isConnected = await client.flush().then(
          () => true,
          () => false,
        );
        if (!isConnected) continue;
        onReconnect();
        // nodes that have removed this one add it again before its next heartbeat
        const { discoverer } = (broker as unknown as WithTransporter).registry;
        await attempt(discoverer.sendLocalNodeInfo());
        await attempt(broker.broadcastLocal("$transporter.connected", { wasReconnect: true }));
      }
    }
  };

  return toMiddleware({
    name: "TransporterStatus",
    async started() {
      const client = (broker as unknown as WithTransporter).transit?.tx.client;
      if (!client?.status) return;
      // nats.js's connection has flush() wherever it has status()
      watch(client as NatsClient).catch((error: unknown) =>
        broker.logger.error(
          { err: error },
          "The status of the NATS connection is no longer observed.",
        ),
      );
    },
    stopping: async () => stopWaiting(false),
    remoteAction: (next: Handler): Handler => {
      const callAfter = async (ctx: Context, { promise }: PromiseWithResolvers<boolean>) => {
        if (!(await promise)) {
          const { action, nodeID } = ctx;
          const call = { action: action?.name ?? "", nodeID: nodeID ?? "" };
          const cause = new Errors.ServiceNotAvailableError(call);
          throw new CitadelError("ServiceNotAvailable", { cause });
        }
        return next(ctx);
      };
      return (ctx) => (reconnection ? callAfter(ctx, reconnection) : next(ctx));
    },
  });
};
