import {
  type PreparedCiphers,
  counterOf,
  type Direction,
  direction,
  MAX_BYTES,
  MAX_FRAMES,
  open,
  prepare,
  seal,
} from "./frame.ts";
import { dataKey, type End } from "./key-schedule.ts";
import type { NodeKey } from "./node-key.ts";
import type { Peer } from "./peers.ts";
import { ReplayWindow } from "./replay-window.ts";

/** The share of a key's limits after which it is replaced. */
const REPLACE_AT = 0.5;

/** Why a frame was refused. */
export type FrameRefusal = "replayed" | "not authentic";

interface ChannelOptions {
  namespace: string;
  /** The id of this node. */
  nodeID: string;
  own: NodeKey;
  peer: Peer;
  /** The X25519 secret of the two keys. */
  secret: Buffer;
}

/**
 * The two directions between a key of this process and one of another node. Its state must live as long as
 * this process's key: a channel that is derived again would start its counters anew and use nonces twice.
 */
export class Channel {
  readonly peer: Peer;
  readonly window = new ReplayWindow();
  readonly #sending: Direction;
  readonly #receiving: Direction;
  readonly #prepared: PreparedCiphers = {};
  #counter = 0;
  #bytes = 0;

  constructor({ namespace, nodeID, own, peer, secret }: ChannelOptions) {
    this.peer = peer;
    const here: End = { nodeID, publicKey: own.publicKey };
    this.#sending = direction(own.kid, peer.kid, dataKey(secret, namespace, here, peer));
    this.#receiving = direction(peer.kid, own.kid, dataKey(secret, namespace, peer, here));
  }

  /** Has the key sealed so much that it should be replaced? */
  get isNearlyUsedUp(): boolean {
    return this.#counter > MAX_FRAMES * REPLACE_AT || this.#bytes > MAX_BYTES * REPLACE_AT;
  }

  /** The number of frames sent. */
  get sent(): number {
    return this.#counter;
  }

  /** @throws Error when the key has reached its limit */
  seal(plaintext: Buffer): Buffer {
    if (this.#counter >= MAX_FRAMES || this.#bytes + plaintext.length > MAX_BYTES)
      throw new Error(`The key of the channel to '${this.peer.nodeID}' is used up.`);
    this.#counter += 1;
    this.#bytes += plaintext.length;
    return seal(this.#sending, this.#counter, plaintext, this.#prepared);
  }

  /** Makes the ciphers for the next frame of each direction. */
  prepare(): void {
    const [sent, next] = [this.#counter + 1, this.window.highest + 1];
    prepare(this.#prepared, this.#sending, sent, this.#receiving, next);
  }

  /** Opens a frame, and marks its counter if the peer has sealed it. Otherwise nothing changes. */
  open(frame: Buffer): Buffer | FrameRefusal {
    const counter = counterOf(frame);
    if (counter > MAX_FRAMES || !this.window.isFresh(counter)) return "replayed";
    const plaintext = open(this.#receiving, counter, frame, this.#prepared);
    if (!plaintext) return "not authentic";
    this.window.mark(counter);
    return plaintext;
  }
}
