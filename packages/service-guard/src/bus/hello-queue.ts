import { LRUCache } from "lru-cache";
import type { Hello } from "./hello.ts";
import { Rate } from "./rate.ts";

/** New tokens that a node verifies in a second. */
const TOKENS_PER_SECOND = 200;
/** The cost of verifying a guard's new keys and their endorsements, in tokens. */
const KEYS_COST = 15;
/** HELLOs that may wait, one for each node. The oldest is dropped: each node repeats its own. */
const MAX_WAITING = 1_000;
/** The interval in which waiting HELLOs are verified, in milliseconds. */
const INTERVAL = 50;

export interface HelloQueueOptions {
  verify: (hello: Hello) => void;
  /** Is this token not yet verified? */
  isNew: (token: string) => boolean;
  /** Are these keys of a guard not yet verified? */
  areNew: (keys: unknown) => boolean;
}

/** Verifies HELLOs at a limited rate, so that a flood of them uses a limited share of the processor. */
export class HelloQueue {
  readonly #options: HelloQueueOptions;
  readonly #rate = new Rate(TOKENS_PER_SECOND);
  readonly #waiting = new LRUCache<string, Hello>({ max: MAX_WAITING });
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HelloQueueOptions) {
    this.#options = options;
  }

  /** The cost of verifying, in new tokens. */
  #cost({ identities, keys }: Hello): number {
    const { isNew, areNew } = this.#options;
    return identities.filter(isNew).length + (areNew(keys) ? KEYS_COST : 0);
  }

  add(hello: Hello): void {
    if (this.#waiting.size === 0 && this.#rate.take(this.#cost(hello)))
      return this.#options.verify(hello);
    this.#waiting.set(hello.nodeID, hello);
    this.#timer ??= setInterval(() => this.#work(), INTERVAL).unref();
  }

  #work(): void {
    for (const [nodeID, hello] of [...this.#waiting.entries()].toReversed()) {
      if (!this.#rate.take(this.#cost(hello))) return;
      this.#waiting.delete(nodeID);
      this.#options.verify(hello);
    }
    this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
