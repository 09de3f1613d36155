import { type Identity, isLiving } from "../tokens/identity-token.ts";
import { kidOf } from "./node-key.ts";
import { Rate } from "./rate.ts";

/** New tokens of one node that are verified, a second: one for each of its services, and as many of a new key. */
const TOKENS_PER_SECOND = 100;

/** A key of another node, with the services that it has proved. It lasts as long as this process's own key. */
export class Peer {
  readonly nodeID: string;
  readonly publicKey: Buffer;
  readonly kid: Buffer;
  readonly services = new Map<string, Identity>();
  /** Milliseconds since the epoch. */
  readonly provedAt = Date.now();
  /** Is at least one of its identities valid? Kept by Peers. */
  isLiving = true;
  /** When a HELLO of its was last responded to, in milliseconds since the epoch. */
  respondedAt = 0;
  /** Bounds what it costs to verify its renewed tokens. */
  readonly tokenRate = new Rate(TOKENS_PER_SECOND);
  /** When a frame of its was last opened, in milliseconds since the epoch. */
  heardAt = 0;

  constructor(nodeID: string, publicKey: Buffer) {
    this.nodeID = nodeID;
    this.publicKey = publicKey;
    this.kid = kidOf(publicKey);
  }

  /**
   * Has the node proved to run this service?
   *
   * @param now guard time in milliseconds since the epoch
   */
  isProved(service: string, now: number): boolean {
    const identity = this.services.get(service);
    return identity !== undefined && isLiving(identity, now);
  }

  /** Are these tokens known to be its? */
  holds(tokens: readonly string[]): boolean {
    const held = new Set([...this.services.values()].map(({ token }) => token));
    return tokens.every((token) => held.has(token));
  }

  /** When the newest of its identities was issued, in milliseconds since the epoch. */
  get issuedAt(): number {
    return Math.max(...[...this.services.values()].map(({ issuedAt }) => issuedAt));
  }
}

/** A service that a node no longer proves. */
export interface LostService {
  nodeID: string;
  service: string;
}

/** The other nodes, by what they have proved. */
export class Peers {
  readonly #byKid = new Map<string, Peer>();
  /** The newest key of each node. */
  readonly #byNode = new Map<string, Peer>();

  get(kid: string): Peer | undefined {
    return this.#byKid.get(kid);
  }

  /** The key to send to this node with; undefined: it has proved nothing, or its identities have ended. */
  of(nodeID: string): Peer | undefined {
    const peer = this.#byNode.get(nodeID);
    return peer?.isLiving ? peer : undefined;
  }

  /** The nodes that are proved now. */
  *living(): Generator<Peer> {
    for (const peer of this.#byNode.values()) if (peer.isLiving) yield peer;
  }

  /** A node that has proved to run this service. */
  running(service: string, now: number): Peer[] {
    return [...this.living()].filter((peer) => peer.isProved(service, now));
  }

  /**
   * Takes over the verified identities of one key.
   *
   * @returns undefined where another node has this key, or this key id: the first one keeps it
   */
  admit(
    identities: readonly [Identity, ...Identity[]],
  ): { peer: Peer; isNew: boolean } | undefined {
    const [{ nodeID, publicKey }] = identities;
    const kid = kidOf(publicKey).toString("latin1");
    const known = this.#byKid.get(kid);
    if (known && (known.nodeID !== nodeID || !known.publicKey.equals(publicKey))) return undefined;
    const peer = known ?? new Peer(nodeID, publicKey);
    for (const identity of identities) {
      const held = peer.services.get(identity.service);
      // a replayed HELLO does not bring an older identity back
      if (!held || held.issuedAt <= identity.issuedAt)
        peer.services.set(identity.service, identity);
    }
    const isNew = !peer.isLiving || !known;
    peer.isLiving = true;
    this.#byKid.set(kid, peer);
    const current = this.#byNode.get(nodeID);
    // a replayed HELLO does not bring an older key back
    if (!current?.isLiving || peer.issuedAt >= current.issuedAt) this.#byNode.set(nodeID, peer);
    return { peer, isNew };
  }

  /** Forgets keys that have ended, but for those that are in use. */
  forget(isUsed: (peer: Peer) => boolean): void {
    for (const [kid, peer] of this.#byKid) {
      if (peer.isLiving || isUsed(peer)) continue;
      this.#byKid.delete(kid);
      if (this.#byNode.get(peer.nodeID) === peer) this.#byNode.delete(peer.nodeID);
    }
  }

  /**
   * Ends identities: those whose time is over, and those that `isRevoked` names.
   *
   * @returns the services that nodes have lost by it
   */
  expire(now: number, isRevoked: (identity: Identity) => boolean): LostService[] {
    const lost: LostService[] = [];
    for (const peer of this.#byKid.values()) {
      if (!peer.isLiving) continue;
      for (const [service, identity] of peer.services) {
        if (isLiving(identity, now) && !isRevoked(identity)) continue;
        peer.services.delete(service);
        if (this.#byNode.get(peer.nodeID) === peer) lost.push({ nodeID: peer.nodeID, service });
      }
      peer.isLiving = peer.services.size > 0;
    }
    return lost;
  }
}
