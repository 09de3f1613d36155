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

/** The one subject for all that a node receives: to every node, and behind it each node's id. */
const SUBJECT = "SEAL";

/** Transporters that speak past the wrapper. */
const UNFIT = new Map([
  [
    "TcpTransporter",
    "TCP gossips what other nodes have said of themselves, outside of the sealed bus",
  ],
]);

type Sealed<T extends TransporterClass> = new (
  ...options: ConstructorParameters<T>
) => InstanceType<T>;

/**
 * Wraps a Moleculer transporter class, so that everything on it is authenticated and encrypted between each
 * two nodes: `new (sealed(Transporters.NATS))(options)`. The broker needs the middleware `serviceGuard` too.
 *
 * @throws Error for a transporter that cannot be wrapped
 */
export function sealed<T extends TransporterClass>(Transporter: T): Sealed<T> {
  const classes = classesOf(Transporter);
  for (const { name } of classes) {
    const reason = UNFIT.get(name);
    if (reason) throw new Error(`sealed() cannot wrap ${Transporter.name}: ${reason}.`);
  }
  const Base = classes.at(-1) as unknown as TransporterBase;
  const Inner = Transporter as unknown as TransporterBase;

  class SealedTransporter extends Base {
    /** Moleculer's own balancing goes past single nodes; without it each packet names its node. */
    override hasBuiltInBalancer = false;
    readonly #inner: BaseTransporter;
    #node: GuardNode | undefined;
    #bus: SealedBus | undefined;
    #checks: PacketChecks | undefined;
    #watch: StreamWatch | undefined;
    /** Nodes that were proved before Moleculer sent INFO. */
    readonly #metEarly = new Set<string>();

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

    /** The client of the transporter inside, where those look for it who watch the connection. */
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
      // also emitted by a middleware that notices a reconnection
      broker.localBus.on("$transporter.connected", () => bus.announce());
      this.#inner.receive = (_command, data) => bus.receive(data);
    }

    async #connected(
      wasReconnect: boolean,
      afterConnect: (wasReconnect: boolean) => Promise<unknown>,
    ): Promise<unknown> {
      // Moleculer waits for what arrives after a connection, so that comes first
      const connected = afterConnect(wasReconnect);
      this.#node?.enrolment.now();
      this.#bus?.announce();
      this.#watch?.start();
      const result = await connected;
      for (const nodeID of this.#metEarly) this.#sendInfo(nodeID);
      this.#metEarly.clear();
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

    /** In place of a subject for each kind of packet: all of them come in frames. */
    async makeSubscriptions(): Promise<void> {
      await this.#inner.subscribe(SUBJECT);
      await this.#inner.subscribe(SUBJECT, this.nodeID);
    }

    /** Reached through `transporterSend`, with a packet's bytes. */
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
      return Promise.all([...bus.peers.living()].map((peer) => bus.send(peer, name, data)));
    }

    /** Names a caller only where this process can prove it: other nodes refuse whatever names another. */
    override serialize(packet: Packet): Buffer {
      const { caller } = packet.payload;
      if (typeof caller === "string" && !this.#node?.identities.isLive(caller))
        packet.payload.caller = null;
      return super.serialize(packet);
    }

    /** Moleculer only logs a response that could not be sent, such as one beyond NATS's max_payload. */
    #reportUnsent({ type, target, payload }: Packet, cause: Error): void {
      const { id, seq, success } = payload;
      if (type !== "RES" || success !== true || !this.connected) return;
      const message = `The response could not be sent: ${cause.message}`;
      const error = { name: "MoleculerServerError", message, code: 500, type: "RESPONSE_NOT_SENT" };
      const end = seq === undefined ? {} : { seq, stream: false };
      const response = { id, meta: {}, success: false, data: null, error, ...end };
      // a failure of this one has been logged
      this.transit.publish({ type, target, payload: response as never }).catch(() => {});
    }

    #sendFrame(nodeID: string | undefined, frame: Buffer): Promise<void> {
      if (!this.connected) return Promise.reject(new Error("The transporter is disconnected."));
      const topic = this.#inner.getTopicName(SUBJECT, nodeID);
      // some transporters want to know the receiver
      const packet: Packet = {
        type: SUBJECT,
        target: nodeID,
        payload: { ver: "", sender: this.nodeID },
      };
      return this.#inner.send(topic, frame, { packet }) as Promise<void>;
    }

    /** Whatever a packet is, its failure ends neither this process nor the other records of its frame. */
    #deliver(name: RecordName, content: Buffer, peer: Peer): void {
      const fail = (error: unknown) => {
        this.#node?.statistics.refused("malformed", peer.nodeID);
        this.#node?.logger.debug({ err: error, node: peer.nodeID }, `A ${name} packet failed.`);
      };
      try {
        Promise.resolve(this.receive(name, content, peer)).catch(fail);
      } catch (error) {
        fail(error);
      }
    }

    /** Reached through `transporterReceive`, with a packet's bytes and the node that has proved to have sent it. */
    override receive(command: string, data: Buffer, sender?: unknown): unknown {
      const { logger } = this.#node ?? {};
      if (!(sender instanceof Peer)) {
        logger?.error(`A middleware has lost the sender of a ${command} packet; it is ignored.`);
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
      else this.#metEarly.add(nodeID);
    }

    #sendInfo(nodeID: string): void {
      void internalsOf(this.broker).registry.discoverer.sendLocalNodeInfo(nodeID);
    }

    /** Others have left out the service of an earlier INFO; they read it only with a higher number. */
    #announceAgain(): void {
      const { registry } = internalsOf(this.broker);
      registry.localNodeInfoInvalidated = "seq";
      void registry.discoverer.sendLocalNodeInfo();
    }

    /** A node has lost an identity: nothing goes there any more. */
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

/** A packet for a node whose identity has ended: the caller may try another. */
class NodeNotProved extends Error {
  override readonly name = "NodeNotProved";
  readonly code = 503;
  readonly type = "NODE_NOT_PROVED";
  readonly retryable = true;

  constructor(nodeID: string) {
    super(`The node '${nodeID}' is not proved, or not any more.`);
  }
}

/** A class and those that it extends, up to Moleculer's base class. */
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
