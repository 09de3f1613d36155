import { makeNodeKey, type NodeKey } from "../bus/node-key.ts";
import type { OwnNode } from "../bus/own-node.ts";
import type { SealedBus } from "../bus/sealed-bus.ts";
import type { Enrolment } from "./enrolment.ts";

/** How long other nodes know a new key before it is used, at most, in milliseconds. */
const OVERLAP = 10_000;
/** How long frames for the old key are accepted afterwards, at most, in milliseconds. */
const GRACE = 60_000;
/** When a failed rotation is retried, at the latest, in milliseconds. */
const RETRY = 60_000;

/** The part of `GuardNode` that the rotation uses. */
interface RotatingNode extends OwnNode {
  readonly bus: SealedBus | undefined;
  readonly enrolment: Enrolment;
}

/**
 * Replaces this process's key regularly. A recording of the bus cannot be opened once both processes have dropped
 * the keys that sealed it.
 */
export class KeyRotation {
  readonly #node: RotatingNode;
  readonly #lifetime: number;
  /** OVERLAP, or a tenth of the key's lifetime if that is shorter. */
  readonly #overlap: number;
  #timer: NodeJS.Timeout | undefined;
  #isRotating = false;
  #nextTokens: readonly string[] = [];

  constructor(node: RotatingNode, lifetime: number) {
    this.#node = node;
    this.#lifetime = lifetime;
    this.#overlap = Math.min(OVERLAP, lifetime / 10);
  }

  /** The identity tokens of the next key, until it is used. */
  get nextTokens(): readonly string[] {
    return this.#nextTokens;
  }

  start(): void {
    this.#isRotating = false;
    // spreads the rotations of nodes that started together
    this.#schedule(this.#lifetime * (0.9 + Math.random() * 0.2), () => this.now());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#isRotating = true;
  }

  #schedule(delay: number, run: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(run, delay).unref();
  }

  now(): void {
    if (this.#isRotating || !this.#node.bus) return;
    this.#isRotating = true;
    this.#begin().catch((error: unknown) => {
      this.#node.logger.warn({ err: error }, "This node's key could not be replaced; retrying.");
      this.#isRotating = false;
      this.#schedule(Math.min(RETRY, this.#lifetime / 10), () => this.now());
    });
  }

  /** Requests identity tokens for a new key, and sends them on the channels of the old one. */
  async #begin(): Promise<void> {
    const { keys, enrolment, bus } = this.#node;
    const old = keys.current;
    const key = makeNodeKey();
    const identities = await enrolment.identitiesFor(key);
    keys.add(key);
    this.#nextTokens = identities.map(({ token }) => token);
    bus?.sendIdentities(this.#nextTokens);
    this.#schedule(this.#overlap, () => {
      keys.use(key);
      for (const identity of identities) this.#node.identities.hold(identity);
      this.#nextTokens = [];
      bus?.channels.useCurrentKey();
      bus?.broadcastHello();
      // identities of the old key that were renewed meanwhile would look newer to other nodes
      enrolment.now();
      this.#schedule(Math.min(GRACE, this.#lifetime / 5), () => this.#finish(old));
    });
  }

  #finish(old: NodeKey): void {
    const { keys, bus } = this.#node;
    keys.drop(old);
    bus?.channels.drop(old);
    bus?.peers.forget((peer) => bus.channels.isUsed(peer));
    this.#isRotating = false;
    this.start();
  }
}
