import { randomUUID } from "node:crypto";
import { type ServiceBroker, Transporters } from "moleculer";
import { Events, type NatsConnection, type Msg, type NatsError } from "nats";

/** How often the nodes of pending calls are pinged, in milliseconds. */
const PING_INTERVAL = 500;
/** For how long a node may take to respond to a ping, in milliseconds. */
const PONG_TIMEOUT = 300;
/** The status of the NATS server's reply to a message without a subscriber. */
const NO_RESPONDERS = 503;

/** How much later than this node others may reconnect, in milliseconds: they try four times a second. */
const SETTLING = 1_500;

interface Packet {
  target?: string | null;
}

/** The parts of Moleculer that its types leave out: pending calls, and the registry of nodes. */
interface Internals {
  transit: {
    pendingRequests: ReadonlyMap<string, { nodeID: string | null }>;
    sendPing(nodeID: string): Promise<void>;
  };
  broker: Pick<ServiceBroker, "nodeID" | "namespace" | "ping"> & {
    registry: {
      nodes: {
        get(nodeID: string): { available: boolean } | undefined;
        disconnected(nodeID: string, isUnexpected: boolean): void;
      };
    };
  };
  receive(command: string, data: Buffer): unknown;
  logger: ServiceBroker["logger"];
}

/**
 * Moleculer's NATS transporter, which also notices within a second that a node was killed.
 *
 * Every packet for one node names a reply subject. NATS replies to it when nobody subscribes to the
 * packet's subject ("no responders", NATS 2.2): the node's process has ended, since its subscriptions last
 * as long as its connection. Such a reply can be forged by any user that may publish to the reply subject, so the node is
 * pinged first: on the sealed bus no other node can respond to the ping. Without a PONG it is dropped, its pending
 * calls are rejected, and Moleculer retries those that may be retried on other nodes. A node whose event loop
 * is blocked keeps its connection and is not dropped by this; a node that is silent is dropped by
 * `heartbeatTimeout`.
 */
export class NatsTransporter extends Transporters.NATS {
  #replySubject = "";
  #timer: NodeJS.Timeout | undefined;
  /** The time of the last connection, in milliseconds of the monotonic clock. */
  #connectedAt = 0;
  /** The nodes that are being pinged. */
  readonly #checked = new Set<string>();

  override onConnected(wasReconnect?: boolean): Promise<unknown> {
    const { nodeID } = this.#internals.broker;
    // random, so that only readers of the bus know it
    this.#replySubject = `${this.getTopicName("UNDELIVERED", nodeID)}.${randomUUID()}.`;
    this.#subscribe(`${this.#replySubject}>`, (reply) => this.#receiveReply(reply));
    this.#connectedAt = performance.now();
    void this.#watch(this.client as NatsConnection);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#pingPending(), PING_INTERVAL).unref();
    return super.onConnected(wasReconnect);
  }

  /** Records the time of a reconnection, which Moleculer's transporter does not report. */
  async #watch(client: NatsConnection): Promise<void> {
    for await (const { type } of client.status())
      if (type === Events.Reconnect) this.#connectedAt = performance.now();
  }

  override disconnect(): Promise<void> {
    clearInterval(this.#timer);
    return super.disconnect();
  }

  /** Moleculer's own method throws inside the NATS client when NATS refuses the subscription. */
  override subscribe(command: string, nodeID?: string): Promise<void> {
    const { receive } = this.#internals;
    this.#subscribe(this.getTopicName(command, nodeID), ({ data }) =>
      receive.call(this, command, Buffer.from(data.buffer, data.byteOffset, data.length)),
    );
    return Promise.resolve();
  }

  #subscribe(subject: string, onMessage: (message: Msg) => unknown): void {
    const callback = (error: NatsError | null, message: Msg) =>
      error ? this.#reportRefused(subject, error) : void onMessage(message);
    (this.client as NatsConnection).subscribe(subject, { callback });
  }

  #reportRefused(subject: string, error: NatsError): void {
    const { logger, broker } = this.#internals;
    const { nodeID, namespace } = broker;
    logger.error(
      { err: error, subject, nodeID, namespace },
      "NATS refuses a subscription, so this node does not receive what is sent to it. The user in NATS_URL must be that of " +
        "the node's service, and nats.conf must be made for the same NAMESPACE ('npm run credentials'): correct them, " +
        "reload NATS and restart this node.",
    );
  }

  override send(topic: string, data: Buffer, { packet }: { packet?: Packet } = {}): Promise<void> {
    if (!packet?.target) return super.send(topic, data);
    (this.client as NatsConnection | null)?.publish(topic, data, {
      reply: this.#replySubject + packet.target,
    });
    return Promise.resolve();
  }

  /** Without a ping, no message to a node that was killed during a call would be undelivered. */
  #pingPending(): void {
    const { transit } = this.#internals;
    const nodes = new Set([...transit.pendingRequests.values()].map(({ nodeID }) => nodeID));
    for (const nodeID of nodes) if (nodeID) void transit.sendPing(nodeID);
  }

  #receiveReply({ subject, headers }: Msg): void {
    if (headers?.code !== NO_RESPONDERS) return;
    // other nodes may still be reconnecting
    if (performance.now() - this.#connectedAt < SETTLING) return;
    void this.#check(subject.slice(this.#replySubject.length));
  }

  /** Drops a node unless it responds to a ping. */
  async #check(nodeID: string): Promise<void> {
    const { broker } = this.#internals;
    const { nodes } = broker.registry;
    if (this.#checked.has(nodeID) || !nodes.get(nodeID)?.available) return;
    this.#checked.add(nodeID);
    try {
      const pong: unknown = await broker.ping(nodeID, PONG_TIMEOUT);
      if (!pong) nodes.disconnected(nodeID, true);
    } finally {
      this.#checked.delete(nodeID);
    }
  }

  /** Moleculer's types leave these out. */
  get #internals(): Internals {
    return this;
  }
}
