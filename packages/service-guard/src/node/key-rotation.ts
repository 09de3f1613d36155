import { makeNodeKey, type NodeKey } from "../bus/node-key.ts";
import type { GuardNode } from "./guard-node.ts";

/** How long a new key is known to others before it is used, and the old one accepted after, at most, in milliseconds. */
const OVERLAP = 10_000;
const GRACE = 60_000;
/** After which a failed rotation is tried again, at most, in milliseconds. */
const RETRY = 60_000;

/**
 * Replaces this process's key from time to time. Recordings of the bus cannot be opened once both processes
 * have dropped the keys that they were sealed with.
 */
export class KeyRotation {
  readonly #node: GuardNode;
  readonly #lifetime: number;
  /** A tenth of the key's life, where that is shorter. */
  readonly #overlap: number;
  #timer: NodeJS.Timeout | undefined;
  #isRotating = false;
  #nextTokens: readonly string[] = [];

  constructor(node: GuardNode, lifetime: number) {
    this.#node = node;
    this.#lifetime = lifetime;
    this.#overlap = Math.min(OVERLAP, lifetime / 10);
  }

  /** The tokens of the key that is about to be used. */
  get nextTokens(): readonly string[] {
    return this.#nextTokens;
  }

  start(): void {
    this.#isRotating = false;
    // nodes that started together rotate apart
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
      this.#node.logger.warn(
        { err: error },
        "This node's key could not be replaced; trying again.",
      );
      this.#isRotating = false;
      this.#schedule(Math.min(RETRY, this.#lifetime / 10), () => this.now());
    });
  }

  /** Gets identities for a new key, and makes it known on the channels of the old one. */
  async #begin(): Promise<void> {
    const { keys, enrolment, bus } = this.#node;
    const old = keys.current;
    const key = makeNodeKey();
    const identities = await enrolment.identitiesFor(key);
    keys.add(key);
    this.#nextTokens = identities.map(({ token }) => token);
    bus?.tellIdentities(this.#nextTokens);
    this.#schedule(this.#overlap, () => {
      keys.use(key);
      for (const identity of identities) this.#node.identities.hold(identity);
      this.#nextTokens = [];
      bus?.channels.useCurrentKey();
      bus?.broadcastHello();
      // where the old key's identities were renewed meanwhile, others take these for the newer
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
