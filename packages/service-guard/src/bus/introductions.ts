import {
  type Identity,
  isUnexpired,
  isVerified,
  verifyIdentity,
} from "../tokens/identity-token.ts";
import { TokenError } from "../tokens/jwt.ts";
import type { BusSender } from "./bus-sender.ts";
import { decodeHello, encodeHello, type Hello, isTokens } from "./hello.ts";
import { HelloQueue } from "./hello-queue.ts";
import type { OwnNode } from "./own-node.ts";
import type { Peer } from "./peers.ts";
import { Rate } from "./rate.ts";

/** The shortest interval between two responses to one node's HELLO, in milliseconds. */
const RESPONSE_INTERVAL = 1_000;
/** A node that sent a frame within this time knows this node, so its HELLO needs no response. In milliseconds. */
export const HEARD_INTERVAL = 15_000;
/** How many bytes of HELLOs are read in a second: reading one costs more than refusing a frame. */
const HELLO_BYTES_PER_SECOND = 4_000_000;
/** The first interval between two HELLOs, and the longest, in milliseconds. */
const [FIRST_HELLO, LAST_HELLO] = [1_000, 60_000];

/** How nodes make their keys known to each other: HELLO, and the renewed identity tokens on a channel. */
export class Introductions {
  readonly #node: OwnNode;
  readonly #bus: BusSender;
  /** Called with a node that has proved its identity. */
  readonly #onProved: (peer: Peer) => void;
  readonly #queue = new HelloQueue({
    verify: (hello) => this.#verifyHello(hello),
    isNew: (token) => !isVerified(token, this.#node.namespace),
    areNew: (keys) => this.#node.trusted.isNew(keys),
  });
  readonly #bytes = new Rate(HELLO_BYTES_PER_SECOND);
  #timer: NodeJS.Timeout | undefined;
  #broadcastAt = 0;

  constructor(node: OwnNode, bus: BusSender, onProved: (peer: Peer) => void) {
    this.#node = node;
    this.#bus = bus;
    this.#onProved = onProved;
  }

  /** Broadcasts HELLO now and repeatedly, with a growing interval. Call it again after a reconnection. */
  start(): void {
    clearTimeout(this.#timer);
    const repeat = (delay: number) => {
      this.broadcast();
      const next = delay * (0.75 + Math.random() / 2);
      this.#timer = setTimeout(() => repeat(Math.min(delay * 2, LAST_HELLO)), next).unref();
    };
    repeat(FIRST_HELLO);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue.stop();
  }

  broadcast(): void {
    this.#broadcastAt = Date.now();
    this.#bus.sendOpen(undefined, this.#hello());
  }

  /** Broadcasts HELLO unless it was broadcast within the interval, in milliseconds. */
  broadcastAtMost(interval: number): void {
    if (Date.now() - this.#broadcastAt >= interval) this.broadcast();
  }

  #hello(): Buffer {
    const { nodeID, identities, authority } = this.#node;
    const tokens = identities
      .valid()
      .filter(({ publicKey }) => publicKey.equals(this.#node.keys.current.publicKey))
      .map(({ token }) => token);
    const isGuard = authority !== undefined && identities.isValid("guard");
    return encodeHello({
      nodeID,
      identities: tokens,
      keys: isGuard ? authority.publishedKeys : undefined,
    });
  }

  receiveHello(frame: Buffer): void {
    const { nodeID, statistics, identities } = this.#node;
    if (!this.#bytes.take(frame.length)) return statistics.refused("too many requests");
    const hello = decodeHello(frame);
    if (!hello) return statistics.refused("malformed");
    if (hello.nodeID === nodeID) return;
    if (hello.identities.length > 0) return this.#queue.add(hello);
    // the sender looks for a guard
    if (this.#node.authority && identities.isValid("guard"))
      this.broadcastAtMost(RESPONSE_INTERVAL);
  }

  #verifyHello({ nodeID, identities: tokens, keys }: Hello): void {
    const { clock, trusted, identities } = this.#node;
    if (keys && trusted.isNew(keys)) trusted.offer(keys, clock.now());
    const known = this.#bus.peers.of(nodeID);
    const peer = known?.holds(tokens) ? known : this.#admit(tokens, nodeID);
    if (!peer) return;
    const now = Date.now();
    if (now - peer.heardAt < HEARD_INTERVAL || now - peer.respondedAt < RESPONSE_INTERVAL) return;
    if (identities.valid().length === 0) return;
    peer.respondedAt = now;
    this.#bus.sendOpen(nodeID, this.#hello());
    this.#introduce(peer);
  }

  #introduce(peer: Peer): void {
    const { authority, nextTokens } = this.#node;
    if (authority) void this.#bus.sendGuardState([peer]);
    if (nextTokens.length > 0) this.#bus.sendControl(peer, "IDENTITIES", nextTokens);
    this.#onProved(peer);
  }

  /** Verifies the renewed tokens of a node, or those of its next key, which came on its channel. */
  receiveIdentities(peer: Peer, tokens: unknown): void {
    const { statistics, namespace } = this.#node;
    if (!isTokens(tokens)) return statistics.refused("malformed", peer.nodeID);
    const fresh = tokens.filter((token) => !isVerified(token, namespace));
    if (!peer.tokenRate.take(fresh.length))
      return statistics.refused("too many requests", peer.nodeID);
    this.#admit(tokens, peer.nodeID);
  }

  /** Verifies identity tokens of one node and one key. */
  #admit(tokens: readonly string[], nodeID: string): Peer | undefined {
    const { identities, clock, enrolment, reports, statistics } = this.#node;
    const { verified, problem } = this.#verifyAll(tokens, nodeID);
    const [first, ...others] = verified;
    const admitted = first && this.#bus.peers.admit([first, ...others]);
    if (admitted) {
      if (admitted.isNew) reports.proved(nodeID);
      // a guard is known now: ask it at once
      if (admitted.isNew && identities.valid().length === 0)
        if (admitted.peer.isProved("guard", clock.now())) enrolment.now();
      return admitted.peer;
    }
    statistics.refused("identity not accepted");
    // without identities of its own this node does not know the guard's keys yet
    if (identities.valid().length > 0)
      reports.unproved(nodeID, first ? "Another node has its key." : problem);
    return undefined;
  }

  #verifyAll(tokens: readonly string[], nodeID: string) {
    const verified: Identity[] = [];
    let problem = "It sent no valid identity token.";
    for (const token of tokens) {
      try {
        const identity = this.#verify(token);
        const [first = identity] = verified;
        if (identity.nodeID !== nodeID || !identity.publicKey.equals(first.publicKey))
          throw new TokenError("The token is for another node, or another key.");
        if (!this.#bus.channels.canReach(identity.publicKey))
          throw new TokenError("The token's key is of low order.");
        if (this.#node.revocations.has(identity.credential))
          throw new TokenError("The credential is revoked.");
        verified.push(identity);
      } catch (error) {
        if (!(error instanceof TokenError)) throw error;
        problem = error.message;
      }
    }
    return { verified, problem };
  }

  #verify(token: string): Identity {
    const { trusted: keys, namespace, clock } = this.#node;
    // until a guard has sent its time, a guard's token is accepted whatever its times: its GRANT proves the guard
    const now = clock.isSet ? clock.now() : undefined;
    const identity = verifyIdentity(token, { keys, namespace, now });
    if (now === undefined && identity.service !== "guard" && !isUnexpired(identity, Date.now()))
      throw new TokenError("The token has expired.", "expired");
    return identity;
  }
}
