import type { Identity } from "../tokens/identity-token.ts";
import type { BusSender } from "./bus-sender.ts";
import { Channels } from "./channels.ts";
import type { Channel } from "./channel.ts";
import { GuardServer } from "./guard-server.ts";
import { GuardClient } from "./guard-client.ts";
import { FRAME, pairOf, VERSION } from "./frame.ts";
import { HEARD_INTERVAL, Introductions } from "./introductions.ts";
import { KID_LENGTH } from "./node-key.ts";
import { Outboxes, type Outgoing } from "./outbox.ts";
import type { OwnNode } from "./own-node.ts";
import { type LostService, type Peer, Peers } from "./peers.ts";
import {
  type BusRecord,
  decodeRecords,
  encodeRecords,
  RECORD,
  type RecordName,
} from "./records.ts";

/** The shortest interval between two HELLOs that frames of unknown senders cause, in milliseconds. */
const UNKNOWN_INTERVAL = 5_000;
/** How long the INFO of a node that has just proved itself may take to arrive, in milliseconds. */
const SETTLING = 2_000;

/** Carries frames between the nodes. */
export interface Link {
  /** @param nodeID undefined: to every node */
  send(nodeID: string | undefined, frame: Buffer): Promise<void>;
}

/** Called by the bus. */
export interface BusEvents {
  /** A packet of Moleculer's protocol has arrived from a proved node. */
  onPacket(name: RecordName, content: Buffer, peer: Peer): void;
  /** A node has proved itself, or has proved more than before. */
  onProved(peer: Peer): void;
  /** A node no longer proves a service. */
  onLost(lost: LostService): void;
  /** This node proves a service that it has not proved to the others until now. */
  onGained(): void;
  /** A node is proved, but Moleculer does not know it yet. */
  onUnknown(peer: Peer): void;
}

/** Sends records to proved nodes, in frames that only their receiver can open, and receives theirs. */
export class SealedBus implements BusSender {
  readonly peers = new Peers();
  readonly channels: Channels;
  readonly #node: OwnNode;
  readonly #link: Link;
  readonly #events: BusEvents;
  readonly #outboxes = new Outboxes<Peer>((peer, records) => this.#transmit(peer, records));
  readonly #introductions: Introductions;
  readonly #server: GuardServer;
  readonly client: GuardClient;

  constructor(node: OwnNode, link: Link, events: BusEvents) {
    const { namespace, nodeID, keys } = node;
    this.#node = node;
    this.#link = link;
    this.#events = events;
    this.channels = new Channels({ namespace, nodeID, keys, peers: this.peers });
    this.#introductions = new Introductions(node, this, (peer) => events.onProved(peer));
    this.#server = new GuardServer(node, this);
    this.client = new GuardClient(node, this);
  }

  /** Makes this node known to the others. Call it again after a reconnection. */
  announce(): void {
    this.#introductions.start();
  }

  broadcastHello(): void {
    this.#introductions.broadcast();
  }

  stop(): void {
    this.#introductions.stop();
    this.client.stop();
  }

  flush(): void {
    this.#outboxes.flush();
  }

  /** @returns settles when the record's frame has been sent; rejects where it could not be */
  send(peer: Peer, name: RecordName, content: Buffer): Promise<void> {
    return this.#outboxes.add(peer, { type: RECORD[name], content });
  }

  /** Sends a record of the bus itself. A lost one is only logged, since all of them are sent again. */
  sendControl(peer: Peer, name: RecordName, content: Buffer | object): void {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    this.send(peer, name, bytes).catch((error: unknown) =>
      this.#node.logger.debug(
        { err: error, node: peer.nodeID, record: name },
        "A record could not be sent.",
      ),
    );
  }

  /** Sends a frame that is no DATA frame: HELLO, EXCHANGE or GRANT. @param nodeID undefined: to every node */
  sendOpen(nodeID: string | undefined, frame: Buffer): void {
    this.#link
      .send(nodeID, frame)
      .catch((error: unknown) =>
        this.#node.logger.debug({ err: error, node: nodeID }, "A frame could not be sent."),
      );
  }

  #transmit(peer: Peer, records: readonly Outgoing[]): Promise<void> {
    try {
      const channel = this.channels.to(peer);
      const frame = channel.seal(encodeRecords(records));
      this.#node.statistics.sent(records.length);
      if (channel.isNearlyUsedUp) this.#node.rotateSoon();
      const sent = this.#link.send(peer.nodeID, frame);
      // after the transporter has written the frame, while the receiver works on it
      queueMicrotask(() => channel.prepare());
      return sent;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Handles a frame. It never throws: an error would end the transporter's subscription. */
  receive(frame: Buffer): void {
    try {
      this.#receive(frame);
    } catch (error) {
      this.#node.statistics.refused("malformed");
      this.#node.logger.debug({ err: error }, "A frame could not be read.");
    }
  }

  #receive(frame: Buffer): void {
    const pair = pairOf(frame);
    if (pair !== undefined) return this.#receiveData(pair, frame);
    const { statistics } = this.#node;
    if (frame.length < 4 || frame[0] !== VERSION || frame[2] !== 0 || frame[3] !== 0)
      return statistics.refused("malformed");
    if (frame[1] === FRAME.hello) return this.#introductions.receiveHello(frame);
    if (frame[1] === FRAME.exchange) return this.#server.receive(frame);
    if (frame[1] === FRAME.grant) return this.client.receive(frame);
    statistics.refused("malformed");
  }

  #receiveData(pair: string, frame: Buffer): void {
    const { statistics } = this.#node;
    const channel = this.channels.ofPair(pair);
    if (!channel) {
      statistics.refused("unknown key");
      // the sender knows this node, which missed the sender's HELLO: a HELLO of its own makes it introduce itself
      if (this.#node.keys.get(pair.slice(KID_LENGTH)))
        this.#introductions.broadcastAtMost(UNKNOWN_INTERVAL);
      return;
    }
    const { peer } = channel;
    if (!peer.isValid) return statistics.refused("identity ended", peer.nodeID);
    const plaintext = channel.open(frame);
    // not counted for the node: nothing proves that it has sent this frame
    if (typeof plaintext === "string") return statistics.refused(plaintext);
    const records = decodeRecords(plaintext);
    if (!records) return statistics.refused("malformed", peer.nodeID);
    statistics.opened(peer.nodeID, records.length);
    peer.heardAt = Date.now();
    for (const record of records) this.#receiveRecord(channel, record);
  }

  #receiveRecord(channel: Channel, { name, content }: BusRecord): void {
    const { peer } = channel;
    switch (name) {
      case "IDENTITIES":
        return this.#introductions.receiveIdentities(peer, parse(content));
      case "EXCHANGE":
        return this.#server.receive(content, peer);
      case "GRANT":
        return this.client.receive(content);
      case "GUARD_STATE":
        return this.#receiveGuardState(peer, content);
      default:
        this.#events.onPacket(name, content, peer);
    }
  }

  /** Sends nodes the guard's keys and the revoked credentials, if this process runs the guard. */
  async sendGuardState(peers: Iterable<Peer>): Promise<void> {
    try {
      const state = await this.#node.authority?.state();
      if (state) for (const peer of peers) this.sendControl(peer, "GUARD_STATE", state);
    } catch (error) {
      this.#node.logger.warn({ err: error }, "The guard's store is unavailable.");
    }
  }

  #receiveGuardState(peer: Peer, content: Buffer): void {
    const state = parse(content);
    if (!peer.isProved("guard", this.#node.clock.now()) || typeof state !== "object" || !state)
      return this.#node.statistics.refused("caller not proved", peer.nodeID);
    this.#node.applyGuardState(state);
  }

  /** Ends expired and revoked identities of other nodes. */
  expire(): void {
    const { clock, revocations, trusted } = this.#node;
    const isRevoked = ({ credential, signer }: Identity) =>
      revocations.has(credential) || trusted.get(signer) === undefined;
    // without a guard's time no identity can be said to have expired
    const lost = this.peers.expire(clock.isSet ? clock.now() : 0, isRevoked);
    for (const one of lost) {
      this.#events.onLost(one);
      if (!this.peers.of(one.nodeID)) this.#node.statistics.forget(one.nodeID);
    }
  }

  /** Sends all nodes renewed identity tokens, or those of a new key. */
  sendIdentities(tokens: readonly string[]): void {
    for (const peer of this.peers.proved()) this.sendControl(peer, "IDENTITIES", tokens);
  }

  /** Makes the other nodes read the list of this node's services again. */
  announceServices(): void {
    this.#events.onGained();
  }

  /** Asks proved nodes that Moleculer does not know for their INFO. */
  discoverProved(isKnown: (nodeID: string) => boolean): void {
    const now = Date.now();
    for (const peer of this.peers.proved()) {
      const isThere = now - Math.max(peer.heardAt, peer.provedAt) < HEARD_INTERVAL;
      // its INFO may be on the way
      const isSettled = now - peer.provedAt > SETTLING;
      if (isThere && isSettled && !isKnown(peer.nodeID)) this.#events.onUnknown(peer);
    }
  }
}

function parse(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString("utf8"));
  } catch {
    return undefined;
  }
}
