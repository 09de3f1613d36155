import {
  type Ahead,
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

/** Half of what a key may seal: time for a new one. */
const WARN_AT = 0.5;

/** Why a frame is not opened. */
export type FrameRefusal = "replayed" | "not authentic";

interface ChannelOptions {
  namespace: string;
  /** This node's. */
  nodeID: string;
  own: NodeKey;
  peer: Peer;
  /** The X25519 secret of the two keys. */
  secret: Buffer;
}

/**
 * The two directions between a key of this process and one of another node. Its state lasts as long as
 * this process's key: deriving the same keys again would use nonces twice.
 */
export class Channel {
  readonly peer: Peer;
  readonly window = new ReplayWindow();
  readonly #sending: Direction;
  readonly #receiving: Direction;
  readonly #ahead: Ahead = {};
  #counter = 0;
  #bytes = 0;

  constructor({ namespace, nodeID, own, peer, secret }: ChannelOptions) {
    this.peer = peer;
    const here: End = { nodeID, publicKey: own.publicKey };
    this.#sending = direction(own.kid, peer.kid, dataKey(secret, namespace, here, peer));
    this.#receiving = direction(peer.kid, own.kid, dataKey(secret, namespace, peer, here));
  }

  /** Should this process's key be replaced before it has sealed too much? */
  get isWorn(): boolean {
    return this.#counter > MAX_FRAMES * WARN_AT || this.#bytes > MAX_BYTES * WARN_AT;
  }

  /** How many frames were sent. */
  get sent(): number {
    return this.#counter;
  }

  /** @throws Error when the key has sealed all that it may */
  seal(plaintext: Buffer): Buffer {
    if (this.#counter >= MAX_FRAMES || this.#bytes + plaintext.length > MAX_BYTES)
      throw new Error(`The key of the channel to '${this.peer.nodeID}' is used up.`);
    this.#counter += 1;
    this.#bytes += plaintext.length;
    return seal(this.#sending, this.#counter, plaintext, this.#ahead);
  }

  /** Makes ready for the next frame of each direction. */
  prepare(): void {
    const [sent, next] = [this.#counter + 1, this.window.highest + 1];
    prepare(this.#ahead, this.#sending, sent, this.#receiving, next);
  }

  /** Opens a frame once. Nothing changes unless it was sealed by the peer for this process. */
  open(frame: Buffer): Buffer | FrameRefusal {
    const counter = counterOf(frame);
    if (counter > MAX_FRAMES || !this.window.isFresh(counter)) return "replayed";
    const plaintext = open(this.#receiving, counter, frame, this.#ahead);
    if (!plaintext) return "not authentic";
    this.window.mark(counter);
    return plaintext;
  }
}
