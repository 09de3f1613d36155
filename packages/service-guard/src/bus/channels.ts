import { Channel } from "./channel.ts";
import { pairID } from "./frame.ts";
import type { KeyRing } from "./key-ring.ts";
import { KID_LENGTH, kidOf, type NodeKey, sharedSecret } from "./node-key.ts";
import type { Peer, Peers } from "./peers.ts";

/** The channels of this process. Each is created when it is first used. */
export class Channels {
  readonly #options: { namespace: string; nodeID: string; keys: KeyRing; peers: Peers };
  readonly #byPair = new Map<string, Channel>();
  /** For each peer the channel to send on. */
  #sending = new Map<Peer, Channel>();
  /** Shared secrets of the current key, by the other key's id, until their channel is created. */
  readonly #secrets = new Map<string, Buffer>();

  constructor(options: { namespace: string; nodeID: string; keys: KeyRing; peers: Peers }) {
    this.#options = options;
  }

  /** @returns undefined where one of the two keys is unknown */
  ofPair(pair: string): Channel | undefined {
    return this.#byPair.get(pair) ?? this.#find(pair);
  }

  #find(pair: string): Channel | undefined {
    const { keys, peers } = this.#options;
    const own = keys.get(pair.slice(KID_LENGTH));
    const peer = peers.get(pair.slice(0, KID_LENGTH));
    return own && peer && this.#make(own, peer);
  }

  /** Can a channel to this key be derived? Not to a point of low order. */
  canReach(publicKey: Buffer): boolean {
    const { keys, peers } = this.#options;
    const kid = kidOf(publicKey).toString("latin1");
    if (this.#secrets.has(kid) || peers.get(kid)?.publicKey.equals(publicKey)) return true;
    try {
      this.#secrets.set(kid, sharedSecret(keys.current, publicKey));
      return true;
    } catch {
      return false;
    }
  }

  /** The channel to send to a peer on. */
  to(peer: Peer): Channel {
    const known = this.#sending.get(peer);
    if (known) return known;
    const own = this.#options.keys.current;
    const channel = this.#byPair.get(pairID(peer.kid, own.kid)) ?? this.#make(own, peer);
    this.#sending.set(peer, channel);
    return channel;
  }

  #make(own: NodeKey, peer: Peer): Channel {
    const { namespace, nodeID, keys } = this.#options;
    const kid = peer.kid.toString("latin1");
    const known = own === keys.current ? this.#secrets.get(kid) : undefined;
    this.#secrets.delete(kid);
    const secret = known ?? sharedSecret(own, peer.publicKey);
    const channel = new Channel({ namespace, nodeID, own, peer, secret });
    this.#byPair.set(pairID(peer.kid, own.kid), channel);
    return channel;
  }

  /** Call it when the current key has changed: the next frames are sent on its channels. */
  useCurrentKey(): void {
    this.#sending = new Map();
    this.#secrets.clear();
  }

  /** Forgets the channels of a key that was dropped. */
  drop(own: NodeKey): void {
    const kid = own.kid.toString("latin1");
    for (const pair of this.#byPair.keys()) if (pair.endsWith(kid)) this.#byPair.delete(pair);
  }

  /** Does any key of this process have a channel to this peer? */
  isUsed(peer: Peer): boolean {
    return [...this.#byPair.values()].some((channel) => channel.peer === peer);
  }

  all(): Iterable<Channel> {
    return this.#byPair.values();
  }
}
