import type { ServiceBroker } from "moleculer";
import { Peer } from "../bus/peers.ts";
import { RECORD, type RecordName } from "../bus/records.ts";
import { SealedBus } from "../bus/sealed-bus.ts";
import { guardNodeOf } from "../node/attachment.ts";
import type { GuardNode } from "../node/guard-node.ts";
import { PacketChecks } from "./packet-checks.ts";
import { StreamWatch } from "./stream-watch.ts";
import type {
  BaseTransporter,
  Packet,
  SendMeta,
  TransporterBase,
  TransporterClass,
} from "./moleculer-internals.ts";
import { internalsOf } from "./moleculer-internals.ts";

/** The subject of all frames: alone for every node, followed by a node id for one node. */
const SUBJECT = "SEAL";

/** Transporters that bypass the wrapper, and why. */
const UNSUPPORTED = new Map([
  ["TcpTransporter", "TCP spreads the INFO of other nodes by gossip, outside of the sealed bus"],
]);

type Sealed<T extends TransporterClass> = new (
  ...options: ConstructorParameters<T>
) => InstanceType<T>;

/**
 * Wraps a Moleculer transporter class, so that everything on it is authenticated and encrypted between every two
 * nodes: `new (sealed(Transporters.NATS))(options)`. The broker also needs the middleware `serviceGuard`.
 *
 * @throws Error for a transporter that cannot be wrapped
 */
export function sealed<T extends TransporterClass>(Transporter: T): Sealed<T> {
  const classes = classesOf(Transporter);
  for (const { name } of classes) {
    const reason = UNSUPPORTED.get(name);
    if (reason) throw new Error(`sealed() cannot wrap ${Transporter.name}: ${reason}.`);
  }
  const Base = classes.at(-1) as unknown as TransporterBase;
  const Inner = Transporter as unknown as TransporterBase;

  class SealedTransporter extends Base {
    /** With a transporter's own balancing packets would name no node, and could not be sealed. */
    override hasBuiltInBalancer = false;
    readonly #inner: BaseTransporter;
    #node: GuardNode | undefined;
    #bus: SealedBus | undefined;
    #checks: PacketChecks | undefined;
    #watch: StreamWatch | undefined;
    /** Nodes that were proved before Moleculer was ready to send INFO. */
    readonly #provedEarly = new Set<string>();

    constructor(options?: unknown) {
      super(options);
      this.#inner = new Inner(options);
      Object.defineProperty(this, "connected", {
        get: () => this.#inner.connected,
        set: (connected: boolean) => {
          this.#inner.connected = connected;
        },
      });
    }

    /** The client of the wrapped transporter: code that watches the connection reads it here. */
    get client(): unknown {
      return (this.#inner as { client?: unknown }).client;
    }

    override init(transit: object, messageHandler: unknown, afterConnect: unknown): void {
      super.init(transit, messageHandler, afterConnect);
      const { broker } = this;
      const node = guardNodeOf(broker);
      const send = (nodeID: string | undefined, frame: Buffer) => this.#sendFrame(nodeID, frame);
      const bus = new SealedBus(
        node,
        { send },
        {
          onPacket: (name, content, peer) => this.#deliver(name, content, peer),
          onProved: (peer) => this.#introduce(peer),
          onLost: ({ nodeID, service }) => this.#remove(nodeID, service),
          onGained: () => this.#announceAgain(),
          onUnknown: (peer) => void this.transit.discoverNode(peer.nodeID),
        },
      );
      node.bus = bus;
      this.#node = node;
      this.#bus = bus;
      this.#checks = new PacketChecks(node, this.transit);
      this.#watch = new StreamWatch(bus, this.transit);
      this.#inner.init(transit, undefined, (wasReconnect: boolean) =>
        this.#connected(wasReconnect, afterConnect as (wasReconnect: boolean) => Promise<unknown>),
      );
      // a middleware that notices a reconnection may emit it too
      broker.localBus.on("$transporter.connected", () => bus.announce());
      this.#inner.receive = (_command, data) => bus.receive(data);
    }

    async #connected(
      wasReconnect: boolean,
      afterConnect: (wasReconnect: boolean) => Promise<unknown>,
    ): Promise<unknown> {
      // first Moleculer, which subscribes here
      const connected = afterConnect(wasReconnect);
      this.#node?.enrolment.now();
      this.#bus?.announce();
      this.#watch?.start();
      const result = await connected;
      for (const nodeID of this.#provedEarly) this.#sendInfo(nodeID);
      this.#provedEarly.clear();
      return result;
    }

    override connect(errorHandler: (error: Error) => void): Promise<unknown> {
      return this.#inner.connect(errorHandler);
    }

    override async disconnect(): Promise<void> {
      this.#bus?.flush();
      this.#bus?.stop();
      this.#watch?.stop();
      await this.#inner.disconnect();
    }

    /** Replaces Moleculer's subject for each type of packet: all packets come in frames. */
    async makeSubscriptions(): Promise<void> {
      await this.#inner.subscribe(SUBJECT);
      await this.#inner.subscribe(SUBJECT, this.nodeID);
    }

    /** Called after the `transporterSend` hooks, with a packet's bytes. */
    override send(_topic: string, data: Buffer, { packet }: SendMeta = {}): Promise<unknown> {
      const bus = this.#bus;
      if (!bus || !packet) return Promise.reject(new Error("Only packets can be sent."));
      const name = packet.type as RecordName;
      if (!Object.hasOwn(RECORD, name))
        return Promise.reject(new Error(`Packets of the type ${packet.type} are not sent.`));
      if (packet.target) {
        const peer = bus.peers.of(packet.target);
        if (peer)
          return bus.send(peer, name, data).catch((error: Error) => {
            this.#reportUnsent(packet, error);
            throw error;
          });
        return Promise.reject(new NodeNotProved(packet.target));
      }
      return Promise.all([...bus.peers.proved()].map((peer) => bus.send(peer, name, data)));
    }

    /**
     * Removes a caller that this process cannot prove, since other nodes would drop the packet; and from a response the
     * meta that its caller may not see.
     */
    override serialize(packet: Packet): Buffer {
      if (packet.type === "RES") packet.payload.meta = this.#shownMeta(packet.payload.meta);
      const { caller } = packet.payload;
      if (typeof caller === "string" && !this.#node?.identities.isValid(caller))
        packet.payload.caller = null;
      return super.serialize(packet);
    }

    #shownMeta(meta: unknown): object {
      const { $streamObjectMode } = (meta ?? {}) as { $streamObjectMode?: unknown };
      const shown = this.#node?.responseMetaOf(meta) ?? {};
      // Moleculer 0.14 marks streams of objects so
      return $streamObjectMode === true ? { ...shown, $streamObjectMode } : shown;
    }

    /** Sends an error in place of a response that could not be sent, such as one beyond NATS's max_payload. */
    #reportUnsent({ type, target, payload }: Packet, cause: Error): void {
      const { id, seq, success } = payload;
      if (type !== "RES" || success !== true || !this.connected) return;
      const message = `The response could not be sent: ${cause.message}`;
      const error = { name: "MoleculerServerError", message, code: 500, type: "RESPONSE_NOT_SENT" };
      const end = seq === undefined ? {} : { seq, stream: false };
      const response = { id, meta: {}, success: false, data: null, error, ...end };
      // its failure is logged like that of any packet
      this.transit.publish({ type, target, payload: response as never }).catch(() => {});
    }

    #sendFrame(nodeID: string | undefined, frame: Buffer): Promise<void> {
      if (!this.connected) return Promise.reject(new Error("The transporter is disconnected."));
      const topic = this.#inner.getTopicName(SUBJECT, nodeID);
      // some transporters read the target of the packet
      const packet: Packet = {
        type: SUBJECT,
        target: nodeID,
        payload: { ver: "", sender: this.nodeID },
      };
      return this.#inner.send(topic, frame, { packet }) as Promise<void>;
    }

    /** A packet that fails must end neither this process nor the other records of its frame. */
    #deliver(name: RecordName, content: Buffer, peer: Peer): void {
      const fail = (error: unknown) => {
        this.#node?.statistics.refused("malformed", peer.nodeID);
        this.#node?.logger.debug(
          { err: error, node: peer.nodeID },
          `A ${name} packet could not be handled.`,
        );
      };
      try {
        Promise.resolve(this.receive(name, content, peer)).catch(fail);
      } catch (error) {
        fail(error);
      }
    }

    /** Called after the `transporterReceive` hooks, with a packet's bytes and its proved sender. */
    override receive(command: string, data: Buffer, sender?: unknown): unknown {
      const { logger } = this.#node ?? {};
      if (!(sender instanceof Peer)) {
        logger?.error(
          `A middleware has not passed on the sender of a ${command} packet, its third argument; the packet is dropped.`,
        );
        return undefined;
      }
      let packet: Packet | null;
      try {
        packet = this.deserialize(command, data);
      } catch (error) {
        logger?.warn({ err: error, node: sender.nodeID }, `A ${command} packet is unreadable.`);
        return undefined;
      }
      if (!packet || !this.#checks?.accepts(command, packet, sender)) return undefined;
      return this.messageHandler(command, packet);
    }

    #introduce({ nodeID }: Peer): void {
      if (this.transit.isReady) this.#sendInfo(nodeID);
      else this.#provedEarly.add(nodeID);
    }

    #sendInfo(nodeID: string): void {
      void internalsOf(this.broker).registry.discoverer.sendLocalNodeInfo(nodeID);
    }

    /** Other nodes left a service out of an earlier INFO, and read it again only with a higher number. */
    #announceAgain(): void {
      const { registry } = internalsOf(this.broker);
      registry.localNodeInfoInvalidated = "seq";
      void registry.discoverer.sendLocalNodeInfo();
    }

    /** Removes a service that a node no longer proves, or the node if it proves none. */
    #remove(nodeID: string, service: string): void {
      const broker = internalsOf(this.broker);
      if (!this.#bus?.peers.of(nodeID)) return broker.registry.nodes.disconnected(nodeID, true);
      broker.registry.unregisterService(service, nodeID);
      broker.servicesChanged(false);
    }
  }

  Object.defineProperty(SealedTransporter, "name", { value: `Sealed${Transporter.name}` });
  return SealedTransporter as unknown as Sealed<T>;
}

/** The error of a packet for a node without a valid identity. It is retryable, on another node. */
class NodeNotProved extends Error {
  override readonly name = "NodeNotProved";
  readonly code = 503;
  readonly type = "NODE_NOT_PROVED";
  readonly retryable = true;

  constructor(nodeID: string) {
    super(`The node '${nodeID}' has no valid identity.`);
  }
}

/** A class and its parents, up to Moleculer's base class. */
function classesOf(Transporter: TransporterClass): TransporterClass[] {
  const classes = [Transporter];
  for (;;) {
    const parent = Object.getPrototypeOf(classes.at(-1)) as TransporterClass;
    if (typeof parent !== "function" || parent === Function.prototype) break;
    classes.push(parent);
  }
  if (classes.at(-1)?.name !== "BaseTransporter")
    throw new Error("sealed() takes a transporter class of Moleculer, such as Transporters.NATS.");
  return classes;
}

/** Is this broker's transporter a sealed one? */
export const isSealed = (broker: ServiceBroker): boolean =>
  broker.transit?.tx?.constructor.name.startsWith("Sealed") ?? false;
