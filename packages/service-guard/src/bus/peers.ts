import { type Identity, isUnexpired } from "../tokens/identity-token.ts";
import { kidOf } from "./node-key.ts";
import { Rate } from "./rate.ts";

/** New tokens of one node that are verified in a second: one for each of its services, and as many for a new key. */
const TOKENS_PER_SECOND = 100;

/** A key of another node, and the services that the node has proved with it. */
export class Peer {
  readonly nodeID: string;
  readonly publicKey: Buffer;
  readonly kid: Buffer;
  readonly services = new Map<string, Identity>();
  /** Milliseconds since the epoch. */
  readonly provedAt = Date.now();
  /** Is at least one of its identities valid? Peers keeps this up to date. */
  isValid = true;
  /** When this node last responded to its HELLO, in milliseconds since the epoch. */
  respondedAt = 0;
  /** Limits the verification of its renewed tokens. */
  readonly tokenRate = new Rate(TOKENS_PER_SECOND);
  /** When its last frame was opened, in milliseconds since the epoch. */
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
    return identity !== undefined && isUnexpired(identity, now);
  }

  /** Are these tokens verified and its own? */
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

/** The other nodes that have proved themselves to this one. */
export class Peers {
  readonly #byKid = new Map<string, Peer>();
  /** The newest key of each node. */
  readonly #byNode = new Map<string, Peer>();

  get(kid: string): Peer | undefined {
    return this.#byKid.get(kid);
  }

  /** The newest key of a node. @returns undefined if it has no valid identity */
  of(nodeID: string): Peer | undefined {
    const peer = this.#byNode.get(nodeID);
    return peer?.isValid ? peer : undefined;
  }

  /** The nodes that have a valid identity. */
  *proved(): Generator<Peer> {
    for (const peer of this.#byNode.values()) if (peer.isValid) yield peer;
  }

  /** The nodes that have proved to run this service. */
  running(service: string, now: number): Peer[] {
    return [...this.proved()].filter((peer) => peer.isProved(service, now));
  }

  /**
   * Stores the verified identities of one key.
   *
   * @returns undefined if another node already has this key, or a key with this id
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
    const isNew = !peer.isValid || !known;
    peer.isValid = true;
    this.#byKid.set(kid, peer);
    const current = this.#byNode.get(nodeID);
    // a replayed HELLO does not bring an older key back
    if (!current?.isValid || peer.issuedAt >= current.issuedAt) this.#byNode.set(nodeID, peer);
    return { peer, isNew };
  }

  /** Deletes keys without a valid identity that no channel uses. */
  forget(isUsed: (peer: Peer) => boolean): void {
    for (const [kid, peer] of this.#byKid) {
      if (peer.isValid || isUsed(peer)) continue;
      this.#byKid.delete(kid);
      if (this.#byNode.get(peer.nodeID) === peer) this.#byNode.delete(peer.nodeID);
    }
  }

  /**
   * Deletes identities that have expired, and those for which `isRevoked` is true.
   *
   * @returns the services that nodes no longer prove
   */
  expire(now: number, isRevoked: (identity: Identity) => boolean): LostService[] {
    const lost: LostService[] = [];
    for (const peer of this.#byKid.values()) {
      if (!peer.isValid) continue;
      for (const [service, identity] of peer.services) {
        if (isUnexpired(identity, now) && !isRevoked(identity)) continue;
        peer.services.delete(service);
        if (this.#byNode.get(peer.nodeID) === peer) lost.push({ nodeID: peer.nodeID, service });
      }
      peer.isValid = peer.services.size > 0;
    }
    return lost;
  }
}
