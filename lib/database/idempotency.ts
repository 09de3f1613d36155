import { createHash, createHmac, hkdfSync } from "node:crypto";
import { type Kysely, sql, type Transaction } from "kysely";
import type { Service } from "moleculer";
import { Encryption } from "../encryption.ts";
import { CitadelError } from "../errors/errors.ts";
import { inTransaction } from "./after-commit.ts";
import { deleteInBatches } from "./purge.ts";

/** How long a response is stored at least, in seconds. */
const RETENTION = 86_400;
/** After how long a request without a response counts as aborted, in seconds. */
const ABORTED_AFTER = 60;

export interface IdempotencyDatabase {
  idempotency_keys: {
    /** Derived from the key, the action and the user. */
    id: string;
    /** A hash of the parameters. */
    request: string;
    /** The encrypted response; null while the first request runs. */
    answer: string | null;
    created_at: Date;
  };
}

/** A migration that creates the table in a service's schema. */
export async function createIdempotencyKeys(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("idempotency_keys")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("request", "text", (column) => column.notNull())
    // null while the first request runs
    .addColumn("answer", "text")
    .addColumn("created_at", sql`timestamptz(3)`, (column) =>
      column.notNull().defaultTo(sql`now()`),
    )
    .execute();
  await db.schema
    .createIndex("idempotency_keys_created_at")
    .on("idempotency_keys")
    .column("created_at")
    .execute();
}

/** Deletes the requests that are too old to be repeated. A service with the table runs it in a scheduled job. */
export async function deleteOldRequests(db: Kysely<IdempotencyDatabase>): Promise<void> {
  await deleteInBatches(async (size) => {
    const { numDeletedRows } = await db
      .deleteFrom("idempotency_keys")
      .where("id", "in", ({ selectFrom }) =>
        selectFrom("idempotency_keys")
          .select("id")
          .where("created_at", "<", ago(RETENTION))
          .limit(size)
          .forUpdate()
          .skipLocked(),
      )
      .executeTakeFirstOrThrow();
    return numDeletedRows;
  });
}

const ago = (seconds: number) => sql<Date>`now() - make_interval(secs => ${seconds})`;

/** A request that a client may repeat. */
export interface RepeatableRequest {
  /** The client's name for this request, from the header `Idempotency-Key`. */
  key: string;
  action: string;
  /** Requests of different users are different. Without a user, requests with different parameters are, too. */
  userId: string | undefined;
  params: unknown;
}

/** A copy with the fields of all objects in one order, so that equal values have equal JSON. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, one]) => [name, sorted(one)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Runs a request once, however often it is repeated: a repeat gets the response of the first. Stored responses are
 * encrypted with a key that is derived from the client's. A request that failed can be repeated.
 *
 * @see draft-ietf-httpapi-idempotency-key-header
 */
export class IdempotentRequests {
  readonly #db: Kysely<IdempotencyDatabase>;
  readonly #secret: string;
  readonly #logger: Service["logger"];

  /** @param secret a secret of the service, from which the encryption keys are derived as well */
  constructor(db: Kysely<IdempotencyDatabase>, secret: string, logger: Service["logger"]) {
    this.#db = db;
    this.#secret = secret;
    this.#logger = logger;
  }

  /**
   * Runs work that writes only into this database, in the transaction that stores its response: even if a process dies,
   * a repeat writes nothing more. A repeat waits while the first request runs.
   *
   * @throws CitadelError VALIDATION_ERROR if the key was used for another request; and what `run` throws
   */
  async onceAtomically<Response>(
    request: RepeatableRequest,
    run: (trx: Transaction<IdempotencyDatabase>) => Promise<Response>,
  ): Promise<Response> {
    const { id, params, encrypt, decrypt } = this.#derive<Response>(request);
    await this.#deleteAborted(id);
    return inTransaction(this.#db, this.#logger, async (trx) => {
      const first = await begin(trx, id, params);
      if (first !== undefined) return decrypt(first);
      const response = await run(trx);
      await finish(trx, id, encrypt(response));
      return response;
    });
  }

  /**
   * Runs work that has effects outside of this database. If the process dies before the response is stored, a repeat
   * runs the work again after `ABORTED_AFTER`.
   *
   * @throws CitadelError VALIDATION_ERROR if the key was used for another request; Conflict while the first request
   * runs; and what `run` throws
   */
  async once<Response>(
    request: RepeatableRequest,
    run: () => Promise<Response>,
  ): Promise<Response> {
    const { id, params, encrypt, decrypt } = this.#derive<Response>(request);
    await this.#deleteAborted(id);
    const first = await begin(this.#db, id, params);
    if (first !== undefined) return decrypt(first);
    const response = await this.#deleteIfFailed(id, run);
    // the work is done, so the client gets its response; a repeat gets Conflict until `ABORTED_AFTER`
    await finish(this.#db, id, encrypt(response)).catch((error: unknown) =>
      this.#logger.warn({ err: error }, "A response could not be stored for repeated requests."),
    );
    return response;
  }

  /** Runs work, and deletes its request if it fails, so that it can be repeated. */
  async #deleteIfFailed<Response>(id: string, run: () => Promise<Response>): Promise<Response> {
    try {
      return await run();
    } catch (error) {
      await this.#db.deleteFrom("idempotency_keys").where("id", "=", id).execute();
      throw error;
    }
  }

  /** Derives from a request's key what is stored of it, and the encryption of its response. */
  #derive<Response>({ key, action, userId, params }: RepeatableRequest) {
    const content = JSON.stringify(sorted(params));
    // clients without a user may choose the same key, so the parameters distinguish them
    const owner = userId ?? createHash("sha256").update(content).digest("base64url");
    const scope = [action, owner, key].join("\0");
    const derived = Buffer.from(hkdfSync("sha256", this.#secret + key, "", scope, 32));
    const hash = (text: string) => createHmac("sha256", derived).update(text).digest("base64url");
    const id = hash("id");
    const encryption = new Encryption(derived.toString("base64url"));
    return {
      id,
      params: hash(content),
      encrypt: (response: Response) => encryption.encrypt(JSON.stringify(response ?? null), id),
      // only `encrypt` has written it, for a request of the same action
      decrypt: (text: string) => JSON.parse(encryption.decrypt(text, id)) as Response,
    };
  }

  /** Deletes this request if it was aborted. */
  async #deleteAborted(id: string): Promise<void> {
    await this.#db
      .deleteFrom("idempotency_keys")
      .where("id", "=", id)
      .where("answer", "is", null)
      .where("created_at", "<", ago(ABORTED_AFTER))
      .execute();
  }
}

/** Stores a new request. @returns the encrypted response of the first one, if it is a repeat */
async function begin(
  db: Kysely<IdempotencyDatabase>,
  id: string,
  request: string,
): Promise<string | undefined> {
  const inserted = await db
    .insertInto("idempotency_keys")
    .values({ id, request, answer: null, created_at: sql`now()` })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .returning("id")
    .executeTakeFirst();
  if (inserted) return undefined;
  const first = await db
    .selectFrom("idempotency_keys")
    .select(["request", "answer"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (first && first.request !== request)
    throw new CitadelError("VALIDATION_ERROR", {
      message: "This Idempotency-Key was used for another request.",
      data: [{ field: "Idempotency-Key", type: "reused" }],
    });
  if (!first?.answer)
    throw new CitadelError("Conflict", {
      message: "The first request with this Idempotency-Key is still running.",
    });
  return first.answer;
}

/** Stores the encrypted response of a request. */
async function finish(db: Kysely<IdempotencyDatabase>, id: string, answer: string): Promise<void> {
  await db.updateTable("idempotency_keys").set({ answer }).where("id", "=", id).execute();
}
