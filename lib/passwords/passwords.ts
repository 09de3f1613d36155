import { join } from "node:path";
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { CitadelError } from "../errors.ts";
import { checkPassword, MAX_BYTES, type Owner } from "./rules.ts";

/** A hash of nothing that anybody knows, by cost: what an unknown user's password is compared with. */
const NOBODY = "$2b$XX$abcdefghijklmnopqrstuuJ1nYcOFsoF1n9ZBNvxxWoPxVEQpGZxe";

const nobody = (cost: number) => NOBODY.replace("XX", String(cost).padStart(2, "0"));

/** bcrypt's cost, as a hash states it: `$2b$12$…`. */
const costOf = (hash: string) => Number(hash.split("$")[2]);

/** How long something may wait for a thread, in milliseconds; soon after, its request is given up. */
const PATIENCE = 12_000;

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
  readonly #cost: number;

  /** @param cost bcrypt's, 2^cost rounds */
  constructor(cost: number) {
    this.#cost = cost;
    const threads = availableParallelism();
    this.#pool = new Piscina({
      filename: join(import.meta.dirname, "worker.ts"),
      minThreads: 0,
      maxThreads: threads,
      // requests go before passwords
      niceIncrement: 5,
      idleTimeout: 30_000,
      maxQueue: threads * queueOf(cost),
    });
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

  /** Is this the password? Without a hash, or with one of a lower cost, it takes as long. */
  async matches(password: string, hash: string | undefined): Promise<boolean> {
    if (Buffer.byteLength(password) > MAX_BYTES) return false;
    const same = await this.#run("compare", password, comparisons(hash, this.#cost));
    return same === true && hash !== undefined;
  }

  /** A new hash of a password that matches this one, if the cost has been raised since. */
  async renew(password: string, hash: string): Promise<string | undefined> {
    return costOf(hash) < this.#cost ? this.#hash(password) : undefined;
  }

  #hash = async (password: string) => (await this.#run("hash", password, this.#cost)) as string;

  async #run(name: "hash" | "compare", ...input: unknown[]): Promise<unknown> {
    const until = Date.now() + PATIENCE;
    const result: unknown = await this.#pool.run([...input, until], { name }).catch(refuseIfFull);
    if (result === undefined) throw tooMany();
    return result;
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#pool.close({ force: true });
  }
}

const tooMany = (cause?: unknown) =>
  new CitadelError("TooManyRequests", { data: { retryAfter: 5 }, cause });

function refuseIfFull(error: unknown): never {
  if (error instanceof Error && error.message.includes("queue")) throw tooMany(error);
  throw error;
}
