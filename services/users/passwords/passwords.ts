import { join } from "node:path";
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { FairQueue, type Place } from "../../../lib/limits/fair-queue.ts";
import { checkPassword, MAX_BYTES, type Owner } from "./password-rules.ts";

/** A hash of nothing that anybody knows, by cost: what an unknown user's password is compared with. */
const NOBODY = "$2b$XX$abcdefghijklmnopqrstuuJ1nYcOFsoF1n9ZBNvxxWoPxVEQpGZxe";

const nobody = (cost: number) => NOBODY.replace("XX", String(cost).padStart(2, "0"));

/** bcrypt's cost, as a hash states it: `$2b$12$…`. */
const costOf = (hash: string) => Number(hash.split("$")[2]);

/** How long something may wait for a thread, in milliseconds; soon after, its request is given up. */
const TIMEOUT = 12_000;

/** Where those wait of whom no network is known. */
const SHARED_PLACE: Place = { line: "", isKnown: false };

/** As many wait for a thread as it usually gets done meanwhile. */
const queueOf = (cost: number) => Math.min(1_000, Math.max(8, 40 * 2 ** (12 - cost)));

/**
 * The hashes that a password is compared with: the account's, then as many of nobody's as make up for
 * its lower cost. All have the same work in them, 2^cost rounds.
 */
export function comparisons(hash: string | undefined, cost: number): string[] {
  if (hash === undefined) return [nobody(cost)];
  const result = [hash];
  for (let missing = costOf(hash); missing < cost; missing++) result.push(nobody(missing));
  return result;
}

/** Passwords as bcrypt hashes, made in worker threads: one takes a good part of a second. */
export class Passwords {
  readonly #pool: Piscina;
  /** Before the pool, whose own queue is first come, first served: one network would keep all others waiting. */
  readonly #queue: FairQueue;
  readonly #cost: number;

  /** @param cost bcrypt's, 2^cost rounds */
  constructor(cost: number) {
    this.#cost = cost;
    const threads = availableParallelism();
    this.#pool = new Piscina({
      filename: join(import.meta.dirname, "hashing-worker.ts"),
      minThreads: 0,
      maxThreads: threads,
      // requests go before passwords
      niceIncrement: 5,
      idleTimeout: 30_000,
    });
    const room = threads * queueOf(cost);
    this.#queue = new FairQueue({ size: threads, room, timeout: TIMEOUT });
  }

  /**
   * A hash of a new password, if it is a good one.
   *
   * @param owner whose it will be; left out where an operator chose it
   * @param field the parameter that it came in
   * @throws CitadelError VALIDATION_ERROR (see `checkPassword`); TooManyRequests while too many wait
   */
  async hash(password: string, owner?: Owner, field?: string): Promise<string> {
    checkPassword(password, owner, field);
    return this.#hash(password);
  }

  /**
   * Is this the password? Without a hash, or with one of a lower cost, it takes as long.
   *
   * @param place where it waits for a thread
   * @throws CitadelError TooManyRequests while too many wait
   */
  async matches(
    password: string,
    hash: string | undefined,
    place: Place = SHARED_PLACE,
  ): Promise<boolean> {
    if (Buffer.byteLength(password) > MAX_BYTES) return false;
    const same = await this.#run(place, "compare", password, comparisons(hash, this.#cost));
    return same === true && hash !== undefined;
  }

  /** A new hash of a password that matches this one, if the cost has been raised since. */
  async renew(password: string, hash: string): Promise<string | undefined> {
    return costOf(hash) < this.#cost ? this.#hash(password) : undefined;
  }

  #hash = async (password: string) =>
    (await this.#run(SHARED_PLACE, "hash", password, this.#cost)) as string;

  async #run(place: Place, name: "hash" | "compare", ...input: unknown[]): Promise<unknown> {
    return this.#queue.run(place, () => this.#pool.run(input, { name }));
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#pool.close({ force: true });
  }
}
