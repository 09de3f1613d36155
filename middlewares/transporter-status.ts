import type { Middleware, ServiceBroker } from "moleculer";
import { toMiddleware } from "../lib/hooks.ts";

/** As much of a NATS client as tells how its connection is. */
interface NatsClient {
  status(): AsyncIterable<{ type: string }>;
  flush(): Promise<void>;
}

/** Where Moleculer keeps the client. */
interface WithTransporter {
  transit?: { tx: { client?: Partial<NatsClient> | null } };
}

/**
 * Tells of a NATS connection that breaks and comes back, which Moleculer's transporter keeps to itself:
 * in the log, and by the events that its other transporters emit, `$transporter.disconnected` and
 * `$transporter.connected`. What was broadcast meanwhile has been missed.
 */
export const transporterStatus = (broker: ServiceBroker): Middleware => {
  const watch = async (client: NatsClient) => {
    for await (const { type } of client.status()) {
      if (type === "disconnect") {
        broker.logger.warn("NATS is away. It is asked for again and again.");
        await broker.broadcastLocal("$transporter.disconnected", { graceFul: false });
      } else if (type === "reconnect") {
        broker.logger.warn("NATS is back.");
        // what answers come by is subscribed to again
        await client.flush();
        await broker.broadcastLocal("$transporter.connected", { wasReconnect: true });
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
  });
};
