import { randomUUID } from "node:crypto";
import { Transporters } from "moleculer";
import type { Msg, NatsConnection } from "nats";

/** How often nodes that have not responded yet are asked whether they are still there, in milliseconds. */
const PING_INTERVAL = 500;
/** What the server replies to a message that nobody subscribes to. */
const NO_RESPONDERS = 503;

interface Packet {
  target?: string | null;
}

/** What Moleculer keeps of a call that waits for its response, and how it drops a node. */
interface Internals {
  transit: {
    pendingRequests: ReadonlyMap<string, { nodeID: string | null }>;
    sendPing(nodeID: string): Promise<void>;
  };
  broker: {
    nodeID: string;
    registry: { nodes: { disconnected(nodeID: string, isUnexpected: boolean): void } };
  };
}

/**
 * Moleculer's NATS transporter, which also notices at once that a node is gone.
 *
 * Every packet for one node names a reply subject. NATS replies to it when nobody subscribes to the
 * packet's subject ("no responders", NATS 2.2): the node's process has ended, since its subscriptions last
 * as long as its connection. The node is then dropped, its pending calls are rejected, and Moleculer
 * retries those that may be retried on other nodes. A node whose event loop is blocked keeps its
 * connection and is never dropped by this; a node that is silent is dropped by `heartbeatTimeout`.
 */
export class NatsTransporter extends Transporters.NATS {
  #replySubject = "";
  #timer: NodeJS.Timeout | undefined;

  override onConnected(wasReconnect?: boolean): Promise<unknown> {
    const { nodeID } = this.#internals.broker;
    // random, so that only who reads the bus can make it up
    this.#replySubject = `${this.getTopicName("UNDELIVERED", nodeID)}.${randomUUID()}.`;
    (this.client as NatsConnection).subscribe(`${this.#replySubject}>`, {
      callback: (error, reply) => {
        if (!error) this.#receiveReply(reply);
      },
    });
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#pingPending(), PING_INTERVAL).unref();
    return super.onConnected(wasReconnect);
  }

  override disconnect(): Promise<void> {
    clearInterval(this.#timer);
    return super.disconnect();
  }

  override send(topic: string, data: Buffer, { packet }: { packet?: Packet } = {}): Promise<void> {
    if (!packet?.target) return super.send(topic, data);
    (this.client as NatsConnection | null)?.publish(topic, data, {
      reply: this.#replySubject + packet.target,
    });
    return Promise.resolve();
  }

  /** A node that was killed while it worked on a call is sent nothing more that could be undelivered. */
  #pingPending(): void {
    const { transit } = this.#internals;
    const nodes = new Set([...transit.pendingRequests.values()].map(({ nodeID }) => nodeID));
    for (const nodeID of nodes) if (nodeID) void transit.sendPing(nodeID);
  }

  #receiveReply({ subject, headers }: Msg): void {
    if (headers?.code !== NO_RESPONDERS) return;
    const nodeID = subject.slice(this.#replySubject.length);
    this.#internals.broker.registry.nodes.disconnected(nodeID, true);
  }

  /** Moleculer's types leave these out. */
  get #internals(): Internals {
    return this;
  }
}
