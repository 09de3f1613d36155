import { join } from "node:path";
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { FairQueue, type QueueLine } from "../../../lib/limits/fair-queue.ts";
import { LIMITS } from "../users.limits.ts";
import { checkPassword, MAX_BYTES, type PasswordOwner } from "./password-rules.ts";

/** A hash of an unknown text: the passwords of unknown users are compared with it. */
const DUMMY_HASH = "$2b$XX$abcdefghijklmnopqrstuuJ1nYcOFsoF1n9ZBNvxxWoPxVEQpGZxe";

const dummyHash = (cost: number) => DUMMY_HASH.replace("XX", String(cost).padStart(2, "0"));

/** The bcrypt cost of a hash, `$2b$12$…`. */
const costOf = (hash: string) => Number(hash.split("$")[2]);

/** How long a password may wait for a thread, in milliseconds. The request times out soon after. */
const QUEUE_TIMEOUT = 12_000;

/** The line of work without a client's network. */
const SHARED_LINE: QueueLine = { key: "", isKnown: false };

/** The length of the queue of one thread: about as many as it hashes within `QUEUE_TIMEOUT`. */
const queueLength = (cost: number) =>
  Math.min(1_000, Math.max(8, LIMITS.waitingHashes.max * 2 ** (12 - cost)));

/**
 * The hashes that a password is compared with: the account's own and, if its cost is lower, dummy hashes that add the
 * missing work. Every comparison takes 2^cost rounds, so that its time does not tell which accounts exist.
 *
 * @internal
 */
export function comparisons(hash: string | undefined, cost: number): string[] {
  if (hash === undefined) return [dummyHash(cost)];
  const result = [hash];
  for (let missing = costOf(hash); missing < cost; missing++) result.push(dummyHash(missing));
  return result;
}

/** Hashes and compares passwords with bcrypt, in worker threads: a hash of cost 12 takes about 0.3 seconds. */
export class Passwords {
  readonly #pool: Piscina;
  /** In front of the pool, whose own queue is not fair: one network could keep all others waiting. */
  readonly #queue: FairQueue;
  readonly #cost: number;

  /** @param cost the bcrypt cost: a hash takes 2^cost rounds */
  constructor(cost: number) {
    this.#cost = cost;
    const threads = availableParallelism();
    this.#pool = new Piscina({
      filename: join(import.meta.dirname, "hashing-worker.ts"),
      minThreads: 0,
      maxThreads: threads,
      // a lower priority than the thread that handles requests
      niceIncrement: 5,
      idleTimeout: 30_000,
    });
    const room = threads * queueLength(cost);
    this.#queue = new FairQueue({ size: threads, room, timeout: QUEUE_TIMEOUT });
  }

  /**
   * Checks a new password, and hashes it.
   *
   * @param owner the account's owner; left out for a password that an operator chose
   * @param field the request parameter, for the error
   * @throws CitadelError VALIDATION_ERROR (see `checkPassword`); TooManyRequests if the queue is full
   */
  async hash(password: string, owner?: PasswordOwner, field?: string): Promise<string> {
    checkPassword(password, owner, field);
    return this.#hash(password);
  }

  /**
   * Compares a password with a hash. Without a hash, or with one of a lower cost, it takes the same time.
   *
   * @param queueLine where it waits for a thread
   * @throws CitadelError TooManyRequests if the queue is full
   */
  async matches(
    password: string,
    hash: string | undefined,
    queueLine: QueueLine = SHARED_LINE,
  ): Promise<boolean> {
    if (Buffer.byteLength(password) > MAX_BYTES) return false;
    const same = await this.#run(queueLine, "compare", password, comparisons(hash, this.#cost));
    return same === true && hash !== undefined;
  }

  /** Hashes a password that matches this hash again. @returns undefined if the hash has the current cost */
  async rehash(password: string, hash: string): Promise<string | undefined> {
    return costOf(hash) < this.#cost ? this.#hash(password) : undefined;
  }

  #hash = async (password: string) =>
    (await this.#run(SHARED_LINE, "hash", password, this.#cost)) as string;

  async #run(
    queueLine: QueueLine,
    name: "hash" | "compare",
    ...input: unknown[]
  ): Promise<unknown> {
    return this.#queue.run(queueLine, () => this.#pool.run(input, { name }));
  }

  /** Stops the threads. */
  async close(): Promise<void> {
    await this.#pool.close({ force: true });
  }
}
