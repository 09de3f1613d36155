import { randomUUID } from "node:crypto";
import { type ServiceBroker, Transporters } from "moleculer";
import { Events, type NatsConnection, type Msg, type NatsError } from "nats";

/** How often nodes that have not responded yet are asked whether they are still there, in milliseconds. */
const PING_INTERVAL = 500;
/** For how long a node may take to show that it is still there, in milliseconds. */
const PONG_TIMEOUT = 300;
/** What the server replies to a message that nobody subscribes to. */
const NO_RESPONDERS = 503;

/** How much later than this one other nodes may be connected, in milliseconds: they try four times a second. */
const SETTLING = 1_500;

interface Packet {
  target?: string | null;
}

/** What Moleculer keeps of a call that waits for its response, and how it drops a node. */
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
 * Moleculer's NATS transporter, which also notices soon that a node is gone.
 *
 * Every packet for one node names a reply subject. NATS replies to it when nobody subscribes to the
 * packet's subject ("no responders", NATS 2.2): the node's process has ended, since its subscriptions last
 * as long as its connection. Whoever may publish to the reply subject can forge that reply, so the node is
 * pinged first, which on the sealed bus nobody else can respond to. Without a PONG it is dropped, its pending
 * calls are rejected, and Moleculer retries those that may be retried on other nodes. A node whose event loop
 * is blocked keeps its connection and is not dropped by this; a node that is silent is dropped by
 * `heartbeatTimeout`.
 */
export class NatsTransporter extends Transporters.NATS {
  #replySubject = "";
  #timer: NodeJS.Timeout | undefined;
  /** When this node was last connected, in milliseconds of the monotonic clock. */
  #connectedAt = 0;
  /** The nodes that are being asked whether they are still there. */
  readonly #checked = new Set<string>();

  override onConnected(wasReconnect?: boolean): Promise<unknown> {
    const { nodeID } = this.#internals.broker;
    // random, so that only who reads the bus can make it up
    this.#replySubject = `${this.getTopicName("UNDELIVERED", nodeID)}.${randomUUID()}.`;
    this.#subscribe(`${this.#replySubject}>`, (reply) => this.#receiveReply(reply));
    this.#connectedAt = performance.now();
    void this.#watch(this.client as NatsConnection);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#pingPending(), PING_INTERVAL).unref();
    return super.onConnected(wasReconnect);
  }

  /** Notes when the connection comes back, which Moleculer's transporter keeps to itself. */
  async #watch(client: NatsConnection): Promise<void> {
    for await (const { type } of client.status())
      if (type === Events.Reconnect) this.#connectedAt = performance.now();
  }

  override disconnect(): Promise<void> {
    clearInterval(this.#timer);
    return super.disconnect();
  }

  /** Moleculer's own throws inside of the NATS client when NATS refuses the subscription. */
  override subscribe(command: string, nodeID?: string): Promise<void> {
    const { receive } = this.#internals;
    this.#subscribe(this.getTopicName(command, nodeID), ({ data }) =>
      receive.call(this, command, Buffer.from(data)),
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
      "NATS refuses a subscription; this node misses what is sent to it. The user in NATS_URL must be that of " +
        "the node's service, and nats.conf made for the same NAMESPACE ('npm run credentials'): correct them, " +
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

  /** A node that was killed while it worked on a call is sent nothing more that could be undelivered. */
  #pingPending(): void {
    const { transit } = this.#internals;
    const nodes = new Set([...transit.pendingRequests.values()].map(({ nodeID }) => nodeID));
    for (const nodeID of nodes) if (nodeID) void transit.sendPing(nodeID);
  }

  #receiveReply({ subject, headers }: Msg): void {
    if (headers?.code !== NO_RESPONDERS) return;
    // other nodes may take longer to connect again
    if (performance.now() - this.#connectedAt < SETTLING) return;
    void this.#check(subject.slice(this.#replySubject.length));
  }

  /** Drops a node unless it shows that it is still there. */
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
