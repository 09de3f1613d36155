import { join } from "node:path";
import { availableParallelism } from "node:os";
import { Piscina } from "piscina";
import { CitadelError } from "./errors.ts";

/** bcrypt takes no notice of what stands after this many bytes. */
const MAX_BYTES = 72;

/** A hash of nothing that anybody knows, by cost: what an unknown user's password is compared with. */
const NOBODY = "$2b$XX$abcdefghijklmnopqrstuuJ1nYcOFsoF1n9ZBNvxxWoPxVEQpGZxe";

/** Passwords as bcrypt hashes, made in worker threads: one takes a good part of a second. */
export class Passwords {
  readonly #pool: Piscina;
  readonly #cost: number;

  /** @param cost bcrypt's, 2^cost rounds */
  constructor(cost: number) {
    this.#cost = cost;
    this.#pool = new Piscina({
      filename: join(import.meta.dirname, "passwords.worker.ts"),
      minThreads: 0,
      maxThreads: Math.max(1, availableParallelism() - 1),
      idleTimeout: 30_000,
      maxQueue: 1_000,
    });
  }

  /** @throws CitadelError VALIDATION_ERROR over 72 bytes */
  async hash(password: string): Promise<string> {
    if (Buffer.byteLength(password) > MAX_BYTES)
      throw new CitadelError("VALIDATION_ERROR", {
        data: [{ field: "password", type: "bytesMax", message: `At most ${MAX_BYTES} bytes.` }],
      });
    return (await this.#run("hash", password, this.#cost)) as string;
  }

  /** Is this the password? Without a hash it takes as long, and the answer is no. */
  async matches(password: string, hash: string | undefined): Promise<boolean> {
    if (Buffer.byteLength(password) > MAX_BYTES) return false;
    const nobody = NOBODY.replace("XX", String(this.#cost).padStart(2, "0"));
    const same = await this.#run("compare", password, hash ?? nobody);
    return same === true && hash !== undefined;
  }

  async #run(name: "hash" | "compare", ...input: unknown[]): Promise<unknown> {
    try {
      return await this.#pool.run(input, { name });
    } catch (cause) {
      if (cause instanceof Error && cause.message.includes("queue"))
        throw new CitadelError("TooManyRequests", { cause });
      throw cause;
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await this.#pool.close({ force: true });
  }
}
