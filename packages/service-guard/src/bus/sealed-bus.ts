import type { GuardNode } from "../node/guard-node.ts";
import { type Identity, isLiving, isVerified, verifyIdentity } from "../tokens/identity-token.ts";
import { TokenError } from "../tokens/jwt.ts";
import { Channels } from "./channels.ts";
import type { Channel } from "./channel.ts";
import { GuardDesk } from "./guard-desk.ts";
import { GuardClient } from "./guard-client.ts";
import { FRAME, pairOf, VERSION } from "./frame.ts";
import { type Hello, isTokens, packHello, unpackHello } from "./hello.ts";
import { HelloQueue } from "./hello-queue.ts";
import { KID_LENGTH } from "./node-key.ts";
import { Outboxes, type Outgoing } from "./outbox.ts";
import { type LostService, type Peer, Peers } from "./peers.ts";
import { Rate } from "./rate.ts";
import { type BusRecord, packRecords, RECORD, type RecordName, unpackRecords } from "./records.ts";

/** How often a node's HELLO is responded to, at most, in milliseconds. */
const RESPONSE_INTERVAL = 1_000;
/** How often HELLO is broadcast at the request of frames whose sender is unknown, in milliseconds. */
const UNKNOWN_INTERVAL = 5_000;
/** Within which a frame of a node shows that it knows this one, in milliseconds. */
const HEARD_INTERVAL = 15_000;
/** How long a node that has proved itself is given to introduce itself, in milliseconds. */
const SETTLING = 2_000;
/** How much of HELLOs is read, a second: reading them costs more than the refusal of a frame. */
const HELLO_BYTES_PER_SECOND = 4_000_000;
/** How soon HELLO is repeated, and at most, in milliseconds. */
const [FIRST_HELLO, LAST_HELLO] = [1_000, 60_000];

/** What carries frames between the nodes. */
export interface Link {
  /** @param nodeID undefined: to every node */
  send(nodeID: string | undefined, frame: Buffer): Promise<void>;
}

/** What the bus tells of. */
export interface BusEvents {
  /** A packet of Moleculer's protocol has arrived from a proved node. */
  onPacket(name: RecordName, content: Buffer, peer: Peer): void;
  /** A node has proved itself, or has proved more than before. */
  onProved(peer: Peer): void;
  /** A node no longer proves a service. */
  onLost(lost: LostService): void;
  /** This node proves a service that the others have not believed it until now. */
  onGained(): void;
  /** A node is not yet known here, although it is proved. */
  onUnknown(peer: Peer): void;
}

/** Moves records between proved nodes, each in a frame that only its receiver can open. */
export class SealedBus {
  readonly peers = new Peers();
  readonly channels: Channels;
  readonly #node: GuardNode;
  readonly #link: Link;
  readonly #events: BusEvents;
  readonly #outboxes = new Outboxes<Peer>((peer, records) => this.#transmit(peer, records));
  readonly #hellos = new HelloQueue({
    verify: (hello) => this.#verifyHello(hello),
    isNew: (token) => !isVerified(token, this.#node.namespace),
    areNew: (keys) => this.#node.trusted.isNew(keys),
  });
  readonly #helloBytes = new Rate(HELLO_BYTES_PER_SECOND);
  readonly #desk: GuardDesk;
  readonly client: GuardClient;
  #helloTimer: NodeJS.Timeout | undefined;
  #broadcastAt = 0;

  constructor(node: GuardNode, link: Link, events: BusEvents) {
    const { namespace, nodeID, keys } = node;
    this.#node = node;
    this.#link = link;
    this.#events = events;
    this.channels = new Channels({ namespace, nodeID, keys, peers: this.peers });
    this.#desk = new GuardDesk(node, this);
    this.client = new GuardClient(node, this);
  }

  /** Makes this node known, again and again with a growing interval. Also after a reconnection. */
  announce(): void {
    clearTimeout(this.#helloTimer);
    const repeat = (delay: number) => {
      this.broadcastHello();
      const next = delay * (0.75 + Math.random() / 2);
      this.#helloTimer = setTimeout(() => repeat(Math.min(delay * 2, LAST_HELLO)), next).unref();
    };
    repeat(FIRST_HELLO);
  }

  stop(): void {
    clearTimeout(this.#helloTimer);
    this.#hellos.stop();
    this.client.stop();
  }

  flush(): void {
    this.#outboxes.flush();
  }

  /** @returns settles when the record's frame has been sent; rejects where it could not be */
  send(peer: Peer, name: RecordName, content: Buffer): Promise<void> {
    return this.#outboxes.add(peer, { type: RECORD[name], content });
  }

  /** Sends a record of the bus itself. It may get lost: whatever it tells is told again. */
  tell(peer: Peer, name: RecordName, content: Buffer | object): void {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    this.send(peer, name, bytes).catch((error: unknown) =>
      this.#node.logger.debug({ err: error, node: peer.nodeID, record: name }, "Not sent."),
    );
  }

  /** Sends what is not sealed: HELLO, EXCHANGE, GRANT. */
  sendOpen(nodeID: string | undefined, frame: Buffer): void {
    this.#link
      .send(nodeID, frame)
      .catch((error: unknown) =>
        this.#node.logger.debug({ err: error, node: nodeID }, "Not sent."),
      );
  }

  #transmit(peer: Peer, records: readonly Outgoing[]): Promise<void> {
    try {
      const channel = this.channels.to(peer);
      const frame = channel.seal(packRecords(records));
      this.#node.statistics.sent(records.length);
      if (channel.isWorn) this.#node.rotateSoon();
      const sent = this.#link.send(peer.nodeID, frame);
      // after the transporter has written, while the receiver works on this one
      queueMicrotask(() => channel.prepare());
      return sent;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Takes in what has arrived, whatever it is: it never throws, which would end the subscription. */
  receive(frame: Buffer): void {
    try {
      this.#receive(frame);
    } catch (error) {
      this.#node.statistics.refused("malformed");
      this.#node.logger.debug({ err: error }, "What arrived on the bus could not be read.");
    }
  }

  #receive(frame: Buffer): void {
    const pair = pairOf(frame);
    if (pair !== undefined) return this.#receiveData(pair, frame);
    const { statistics } = this.#node;
    if (frame.length < 4 || frame[0] !== VERSION || frame[2] !== 0 || frame[3] !== 0)
      return statistics.refused("malformed");
    if (frame[1] === FRAME.hello) return this.#receiveHello(frame);
    if (frame[1] === FRAME.exchange) return this.#desk.receive(frame);
    if (frame[1] === FRAME.grant) return this.client.receive(frame);
    statistics.refused("malformed");
  }

  #receiveData(pair: string, frame: Buffer): void {
    const { statistics } = this.#node;
    const channel = this.channels.ofPair(pair);
    if (!channel) {
      statistics.refused("unknown key");
      // its sender may have missed that this node does not know it
      if (this.#node.keys.get(pair.slice(KID_LENGTH))) this.#broadcastAtMost(UNKNOWN_INTERVAL);
      return;
    }
    const { peer } = channel;
    if (!peer.isLiving) return statistics.refused("identity ended", peer.nodeID);
    const plaintext = channel.open(frame);
    // nothing proves that the node itself has sent these
    if (typeof plaintext === "string") return statistics.refused(plaintext);
    const records = unpackRecords(plaintext);
    if (!records) return statistics.refused("malformed", peer.nodeID);
    statistics.opened(peer.nodeID, records.length);
    peer.heardAt = Date.now();
    for (const record of records) this.#receiveRecord(channel, record);
  }

  #receiveRecord(channel: Channel, { name, content }: BusRecord): void {
    const { peer } = channel;
    switch (name) {
      case "IDENTITIES":
        return this.#receiveIdentities(peer, content);
      case "EXCHANGE":
        return this.#desk.receive(content, peer);
      case "GRANT":
        return this.client.receive(content);
      case "GUARD_STATE":
        return this.#receiveGuardState(peer, content);
      default:
        this.#events.onPacket(name, content, peer);
    }
  }

  // HELLO

  #hello(): Buffer {
    const { nodeID, identities, authority } = this.#node;
    const tokens = identities
      .living()
      .filter(({ publicKey }) => publicKey.equals(this.#node.keys.current.publicKey))
      .map(({ token }) => token);
    const isGuard = authority !== undefined && identities.isLive("guard");
    return packHello({
      nodeID,
      identities: tokens,
      keys: isGuard ? authority.publishedKeys : undefined,
    });
  }

  broadcastHello(): void {
    this.#broadcastAt = Date.now();
    this.sendOpen(undefined, this.#hello());
  }

  #broadcastAtMost(interval: number): void {
    if (Date.now() - this.#broadcastAt >= interval) this.broadcastHello();
  }

  #receiveHello(frame: Buffer): void {
    const { nodeID, statistics, identities } = this.#node;
    if (!this.#helloBytes.take(frame.length)) return statistics.refused("too many requests");
    const hello = unpackHello(frame);
    if (!hello) return statistics.refused("malformed");
    if (hello.nodeID === nodeID) return;
    if (hello.identities.length > 0) return this.#hellos.add(hello);
    if (this.#node.authority && identities.isLive("guard"))
      this.#broadcastAtMost(RESPONSE_INTERVAL);
  }

  #verifyHello({ nodeID, identities: tokens, keys }: Hello): void {
    const { clock, trusted, identities } = this.#node;
    if (keys && trusted.isNew(keys)) trusted.offer(keys, clock.now());
    const known = this.peers.of(nodeID);
    const peer = known?.holds(tokens) ? known : this.#admit(tokens, nodeID);
    if (!peer) return;
    const now = Date.now();
    // a node that sends frames to this one knows its key
    if (now - peer.heardAt < HEARD_INTERVAL || now - peer.respondedAt < RESPONSE_INTERVAL) return;
    if (identities.living().length === 0) return;
    peer.respondedAt = now;
    this.sendOpen(nodeID, this.#hello());
    this.#introduce(peer);
  }

  #introduce(peer: Peer): void {
    const { authority, nextTokens } = this.#node;
    if (authority) void this.tellGuardState([peer]);
    if (nextTokens.length > 0) this.tell(peer, "IDENTITIES", nextTokens);
    this.#events.onProved(peer);
  }

  #receiveIdentities(peer: Peer, content: Buffer): void {
    const tokens: unknown = parse(content);
    if (!isTokens(tokens)) return this.#node.statistics.refused("malformed", peer.nodeID);
    const fresh = tokens.filter((token) => !isVerified(token, this.#node.namespace));
    if (!peer.tokenRate.take(fresh.length))
      return this.#node.statistics.refused("too many requests", peer.nodeID);
    this.#admit(tokens, peer.nodeID);
  }

  /** Verifies identity tokens of one node and one key. */
  #admit(tokens: readonly string[], nodeID: string): Peer | undefined {
    const { revocations, statistics } = this.#node;
    const verified: Identity[] = [];
    let reason = "The node has proved nothing.";
    for (const token of tokens) {
      try {
        const identity = this.#verify(token);
        const [first = identity] = verified;
        if (identity.nodeID !== nodeID || !identity.publicKey.equals(first.publicKey))
          throw new TokenError("The token is for another node, or another key.");
        if (!this.channels.canReach(identity.publicKey))
          throw new TokenError("The token's key is of low order.");
        if (revocations.has(identity.credential))
          throw new TokenError("The credential is revoked.");
        verified.push(identity);
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
        reason = error.message;
      }
    }
    const [first, ...others] = verified;
    const admitted = first && this.peers.admit([first, ...others]);
    if (admitted) {
      if (admitted.isNew) this.#node.reports.proved(nodeID);
      const { identities, clock, enrolment } = this.#node;
      // a guard is known now: ask it at once
      if (admitted.isNew && identities.living().length === 0)
        if (admitted.peer.isProved("guard", clock.now())) enrolment.now();
      return admitted.peer;
    }
    statistics.refused("identity not accepted");
    // before this node has identities of its own, it cannot tell
    if (this.#node.identities.living().length === 0) return undefined;
    this.#node.reports.unproved(nodeID, first ? "Another node has its key." : reason);
    return undefined;
  }

  #verify(token: string): Identity {
    const { trusted: keys, namespace, clock } = this.#node;
    // a guard is met before it has told its time; it proves itself by its GRANT
    const now = clock.isSet ? clock.now() : undefined;
    const identity = verifyIdentity(token, { keys, namespace, now });
    if (now === undefined && identity.service !== "guard" && !isLiving(identity, Date.now()))
      throw new TokenError("The token has expired.", "expired");
    return identity;
  }

  // what guards tell

  /** Tells nodes the guard's keys and what is revoked. */
  async tellGuardState(peers: Iterable<Peer>): Promise<void> {
    try {
      const state = await this.#node.authority?.state();
      if (state) for (const peer of peers) this.tell(peer, "GUARD_STATE", state);
    } catch (error) {
      this.#node.logger.warn({ err: error }, "The guard's store is unavailable.");
    }
  }

  #receiveGuardState(peer: Peer, content: Buffer): void {
    const state = parse(content);
    if (!peer.isProved("guard", this.#node.clock.now()) || typeof state !== "object" || !state)
      return this.#node.statistics.refused("caller not proved", peer.nodeID);
    this.#node.takeState(state);
  }

  /** Ends what is over, and tells of it. */
  expire(): void {
    const { clock, revocations, trusted } = this.#node;
    const isRevoked = ({ credential, signer }: Identity) =>
      revocations.has(credential) || trusted.get(signer) === undefined;
    // until a guard has told its time nothing says that an identity has ended
    const lost = this.peers.expire(clock.isSet ? clock.now() : 0, isRevoked);
    for (const one of lost) {
      this.#events.onLost(one);
      if (!this.peers.of(one.nodeID)) this.#node.statistics.forget(one.nodeID);
    }
  }

  /** Tells all nodes of renewed identities, or of those of a new key. */
  tellIdentities(tokens: readonly string[]): void {
    for (const peer of this.peers.living()) this.tell(peer, "IDENTITIES", tokens);
  }

  /** Makes the other nodes look again at the services of this one. */
  tellServices(): void {
    this.#events.onGained();
  }

  /** Asks nodes that are proved and not known to Moleculer to introduce themselves. */
  lookAround(isKnown: (nodeID: string) => boolean): void {
    const now = Date.now();
    for (const peer of this.peers.living()) {
      const isThere = now - Math.max(peer.heardAt, peer.provedAt) < HEARD_INTERVAL;
      // its own INFO may be on the way
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
