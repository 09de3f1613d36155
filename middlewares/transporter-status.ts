import type { Context, Middleware, ServiceBroker } from "moleculer";
import { CitadelError } from "../lib/errors/errors.ts";
import { type Handler, toMiddleware } from "../lib/context/hooks.ts";

/** As much of a NATS client as tells how its connection is. */
interface NatsClient {
  status(): AsyncIterable<{ type: string }>;
  flush(): Promise<void>;
}

/** Where Moleculer keeps the client, and the nodes that it knows. */
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

/** For how long calls of other nodes wait for NATS, in milliseconds; a server that starts anew is back by then. */
const PATIENCE = 3_000;
/** How much later other nodes may be back: they dial four times a second, and what comes before them is lost. */
const SETTLING = 500;

/**
 * Tells of a NATS connection that breaks and comes back, which Moleculer's transporter keeps to itself:
 * in the log, and by the events that its other transporters emit, `$transporter.disconnected` and
 * `$transporter.connected`. What was broadcast meanwhile has been missed.
 *
 * The client throws away what it is given meanwhile, so calls of other nodes wait here until it is back.
 * If it stays away they are refused, from then on at once, and those that are under way are given up:
 * nobody waits for each of them in turn.
 */
export const transporterStatus = (broker: ServiceBroker): Middleware => {
  /** While NATS is away: was it back in time? */
  let absence: PromiseWithResolvers<boolean> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let settling: NodeJS.Timeout | undefined;
  let isGivenUp = false;

  const giveUp = () => {
    broker.logger.warn("NATS is still away. What other nodes are asked for is refused.");
    isGivenUp = true;
    absence?.resolve(false);
    const { transit, registry } = broker as unknown as WithTransporter;
    for (const { id, local } of registry.nodes.toArray())
      if (!local) transit?.removePendingRequestByNodeID(id);
  };

  const begin = () => {
    clearTimeout(settling);
    absence ??= Promise.withResolvers();
    timer ??= setTimeout(giveUp, PATIENCE);
    timer.unref();
  };

  const end = (isBack: boolean) => {
    clearTimeout(timer);
    clearTimeout(settling);
    timer = undefined;
    absence?.resolve(isBack);
    absence = undefined;
  };

  const settle = () => {
    clearTimeout(timer);
    timer = undefined;
    if (isGivenUp) absence = Promise.withResolvers();
    isGivenUp = false;
    settling = setTimeout(end, SETTLING, true);
  };

  /** Work whose failure must not end the watch: calls would wait for a connection that is back. */
  const attempt = (work: Promise<unknown>) =>
    work.catch((error: unknown) =>
      broker.logger.error(
        { err: error },
        "A change of the NATS connection was not told to the node.",
      ),
    );

  const watch = async (client: NatsClient) => {
    for await (const { type } of client.status()) {
      if (type === "disconnect") {
        broker.logger.warn("NATS is away. It is asked for again and again.");
        begin();
        await attempt(broker.broadcastLocal("$transporter.disconnected", { graceFul: false }));
      } else if (type === "reconnect") {
        broker.logger.warn("NATS is back.");
        // what answers come by is subscribed to again, or it is away again and this comes anew
        const isBack = await client.flush().then(
          () => true,
          () => false,
        );
        if (!isBack) continue;
        settle();
        // nodes that dropped this one call it again without waiting for its next heartbeat
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
      watch(client as NatsClient).catch((error: unknown) =>
        broker.logger.error({ err: error }, "The connection to NATS is not watched any more."),
      );
    },
    stopping: async () => end(false),
    remoteAction: (next: Handler): Handler => {
      const callWhenBack = async (ctx: Context, { promise }: PromiseWithResolvers<boolean>) => {
        if (!(await promise)) throw new CitadelError("ServiceNotAvailable");
        return next(ctx);
      };
      return (ctx) => (absence ? callWhenBack(ctx, absence) : next(ctx));
    },
  });
};
