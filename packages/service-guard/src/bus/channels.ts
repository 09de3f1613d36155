import { Channel } from "./channel.ts";
import { pairID } from "./frame.ts";
import type { KeyRing } from "./key-ring.ts";
import { KID_LENGTH, type NodeKey } from "./node-key.ts";
import type { Peer, Peers } from "./peers.ts";

/** The channels of this process, made when they are first used. */
export class Channels {
  readonly #options: { namespace: string; nodeID: string; keys: KeyRing; peers: Peers };
  readonly #byPair = new Map<string, Channel>();
  /** The channel to send on, for each peer. */
  #sending = new Map<Peer, Channel>();

  constructor(options: { namespace: string; nodeID: string; keys: KeyRing; peers: Peers }) {
    this.#options = options;
  }

  /** The channel of a frame's pair; undefined: one of the two keys is unknown. */
  ofPair(pair: string): Channel | undefined {
    return this.#byPair.get(pair) ?? this.#find(pair);
  }

  #find(pair: string): Channel | undefined {
    const { keys, peers } = this.#options;
    const own = keys.get(pair.slice(KID_LENGTH));
    const peer = peers.get(pair.slice(0, KID_LENGTH));
    return own && peer && this.#make(own, peer);
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
    const { namespace, nodeID } = this.#options;
    const channel = new Channel(namespace, nodeID, own, peer);
    this.#byPair.set(pairID(peer.kid, own.kid), channel);
    return channel;
  }

  /** Sends on channels of the current key from now on. */
  useCurrentKey(): void {
    this.#sending = new Map();
  }

  /** Forgets the channels of a key that was dropped. */
  drop(own: NodeKey): void {
    const kid = own.kid.toString("latin1");
    for (const pair of this.#byPair.keys()) if (pair.endsWith(kid)) this.#byPair.delete(pair);
  }

  /** Is there a channel of a living key to this peer? */
  isUsed(peer: Peer): boolean {
    return [...this.#byPair.values()].some((channel) => channel.peer === peer);
  }

  all(): Iterable<Channel> {
    return this.#byPair.values();
  }
}
