import { join } from "node:path";
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { FairQueue, type QueueLine } from "../../../lib/limits/fair-queue.ts";
import { LIMITS } from "../users.limits.ts";
import { MIN_COST } from "./hashing-cost.ts";
import { checkPassword, MAX_BYTES, type PasswordOwner } from "./password-rules.ts";

/** A hash of an unknown text: the passwords of unknown users are compared with it. */
const DUMMY_HASH = "$2b$XX$abcdefghijklmnopqrstuuJ1nYcOFsoF1n9ZBNvxxWoPxVEQpGZxe";

const dummyHash = (cost: number) => DUMMY_HASH.replace("XX", String(cost).padStart(2, "0"));

/** The bcrypt cost of a hash, `$2b$12$…`. */
const costOf = (hash: string) => Number(hash.split("$")[2]);

/** Below every other thread, so that hashing uses only cores that are idle. Elsewhere it would slow the whole process. */
const NICE_INCREMENT = process.platform === "linux" ? 19 : 0;

/** The line of work without a client's network. */
const SHARED_LINE: QueueLine = { key: "", isKnown: false };

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

/** Gives the bcrypt cost of new hashes. It may measure a hash of cost `MIN_COST`, in milliseconds. */
type CostSource = (measure: () => Promise<number>) => number | Promise<number>;

/** Hashes and compares passwords with bcrypt, in worker threads: each takes a tenth of a second or more. */
export class Passwords {
  readonly #pool: Piscina;
  /** In front of the pool, whose own queue is not fair: one network could keep all others waiting. */
  readonly #queue: FairQueue;
  readonly #cost: () => number | Promise<number>;

  /** @param cost the bcrypt cost: a hash takes 2^cost rounds */
  constructor(cost: CostSource) {
    const threads = availableParallelism();
    this.#pool = new Piscina({
      filename: join(import.meta.dirname, "hashing-worker.ts"),
      minThreads: 0,
      maxThreads: threads,
      niceIncrement: NICE_INCREMENT,
      idleTimeout: 30_000,
    });
    this.#queue = new FairQueue({ size: threads, maxWait: LIMITS.waitingHashes.max * 1_000 });
    const measure = async () => (await this.#pool.run(MIN_COST, { name: "measure" })) as number;
    this.#cost = () => cost(measure);
  }

  /**
   * Checks a new password, and hashes it.
   *
   * @param owner the account's owner; left out for a password that an operator chose
   * @param field the request parameter, for the error
   * @throws CitadelError VALIDATION_ERROR (see `checkPassword`); TooManyRequests if too many wait
   */
  async hash(password: string, owner?: PasswordOwner, field?: string): Promise<string> {
    checkPassword(password, owner, field);
    return this.#hash(password);
  }

  /**
   * Compares a password with a hash. Without a hash, or with one of a lower cost, it takes the same time.
   *
   * @param queueLine where it waits for a thread
   * @throws CitadelError TooManyRequests if too many wait
   */
  async matches(
    password: string,
    hash: string | undefined,
    queueLine: QueueLine = SHARED_LINE,
  ): Promise<boolean> {
    if (Buffer.byteLength(password) > MAX_BYTES) return false;
    const hashes = comparisons(hash, await this.#cost());
    const same = await this.#run(queueLine, "compare", password, hashes);
    return same === true && hash !== undefined;
  }

  /** Hashes a password that matches this hash again. @returns undefined if the hash has the current cost */
  async rehash(password: string, hash: string): Promise<string | undefined> {
    return costOf(hash) === (await this.#cost()) ? undefined : this.#hash(password);
  }

  #hash = async (password: string) =>
    (await this.#run(SHARED_LINE, "hash", password, await this.#cost())) as string;

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
