import { createHash, createHmac, hkdfSync } from "node:crypto";
import { type Kysely, sql } from "kysely";
import type { Service } from "moleculer";
import { Encryption } from "../encryption.ts";
import { CitadelError } from "../errors/errors.ts";

/** How long an answer is kept, in seconds. */
const KEPT = 86_400;
/** How long a request may take before it counts as broken off, in seconds. */
const PATIENCE = 60;

export interface IdempotencyDatabase {
  idempotency_keys: {
    id: string;
    request: string;
    answer: string | null;
    created_at: Date;
  };
}

/** The migration that makes the table, in the schema of a service that creates things. */
export async function createIdempotencyKeys(db: Kysely<never>): Promise<void> {
  await db.schema
    .createTable("idempotency_keys")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("request", "text", (column) => column.notNull())
    // not there while the first request is under way
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

/** A request that may come twice. */
export interface RepeatableRequest {
  /** What the client calls this request: `Idempotency-Key`. */
  key: string;
  action: string;
  /** Nobody else's request is this one; undefined: nobody is signed in, and only the same request is this one. */
  userId: string | undefined;
  params: unknown;
}

/** The same whatever the order of its fields, which means nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, one]) => [name, sorted(one)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Runs a request once, however often it comes: a repeat gets the answer of the first. What is stored can
 * be read by nobody but a client that knows the key. A request that failed may be tried again.
 *
 * @see draft-ietf-httpapi-idempotency-key-header
 */
export class IdempotentRequests {
  readonly #db: Kysely<IdempotencyDatabase>;
  readonly #secret: string;
  readonly #logger: Service["logger"];

  /** @param secret the service's own, mixed into what is derived from the client's keys */
  constructor(db: Kysely<IdempotencyDatabase>, secret: string, logger: Service["logger"]) {
    this.#db = db;
    this.#secret = secret;
    this.#logger = logger;
  }

  /**
   * Runs what writes into the transaction in which its answer is kept: a repeat never makes anything
   * more, whatever dies when. While the first is under way, a repeat waits for it.
   *
   * @throws CitadelError VALIDATION_ERROR if the key was used for another request, and whatever `run` throws
   */
  async onceAtomically<Answer>(
    request: RepeatableRequest,
    run: (db: Kysely<IdempotencyDatabase>) => Promise<Answer>,
  ): Promise<Answer> {
    const { id, params, seal, open } = this.#hide<Answer>(request);
    await this.#forget(id);
    return this.#db.transaction().execute(async (trx) => {
      const first = await begin(trx, id, params);
      if (first !== undefined) return open(first);
      const answer = await run(trx);
      await finish(trx, id, seal(answer));
      return answer;
    });
  }

  /**
   * Runs what does more than to write into this database. If the process dies before the answer is kept,
   * a repeat runs anew after `PATIENCE`.
   *
   * @throws CitadelError VALIDATION_ERROR if the key was used for another request, Conflict while the
   * first is under way, and whatever `run` throws
   */
  async once<Answer>(request: RepeatableRequest, run: () => Promise<Answer>): Promise<Answer> {
    const { id, params, seal, open } = this.#hide<Answer>(request);
    await this.#forget(id);
    const first = await begin(this.#db, id, params);
    if (first !== undefined) return open(first);
    const answer = await this.#orForget(id, run);
    // what is done is done, and said: a repeat finds the first under way, and makes nothing more meanwhile
    await finish(this.#db, id, seal(answer)).catch((error: unknown) =>
      this.#logger.warn({ err: error }, "An answer could not be kept."),
    );
    return answer;
  }

  /** Runs what may be tried again if it fails, however it fails. */
  async #orForget<Answer>(id: string, run: () => Promise<Answer>): Promise<Answer> {
    try {
      return await run();
    } catch (error) {
      await this.#db.deleteFrom("idempotency_keys").where("id", "=", id).execute();
      throw error;
    }
  }

  /** What of a request is stored, and what keeps its answer from being read without its key. */
  #hide<Answer>({ key, action, userId, params }: RepeatableRequest) {
    const content = JSON.stringify(sorted(params));
    // people without an account may choose the same key: only who sends all of the request is the same
    const whose = userId ?? createHash("sha256").update(content).digest("base64url");
    const scope = [action, whose, key].join("\0");
    const derived = Buffer.from(hkdfSync("sha256", this.#secret + key, "", scope, 32));
    const hash = (text: string) => createHmac("sha256", derived).update(text).digest("base64url");
    const id = hash("id");
    const encryption = new Encryption(derived.toString("base64url"));
    return {
      id,
      params: hash(content),
      seal: (answer: Answer) => encryption.encrypt(JSON.stringify(answer ?? null), id),
      open: (answer: string) => JSON.parse(encryption.decrypt(answer, id)) as Answer,
    };
  }

  /** Deletes what is too old, and this request if it was broken off. */
  async #forget(id: string): Promise<void> {
    const ago = (seconds: number) => sql<Date>`now() - make_interval(secs => ${seconds})`;
    await this.#db
      .deleteFrom("idempotency_keys")
      .where(({ and, or, eb }) =>
        or([
          eb("created_at", "<", ago(KEPT)),
          and([eb("id", "=", id), eb("answer", "is", null), eb("created_at", "<", ago(PATIENCE))]),
        ]),
      )
      .execute();
  }
}

/** Begins a request that is new. @returns the first one's answer, if it is not */
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
      message: "The first request with this Idempotency-Key is still under way.",
    });
  return first.answer;
}

async function finish(db: Kysely<IdempotencyDatabase>, id: string, answer: string): Promise<void> {
  await db.updateTable("idempotency_keys").set({ answer }).where("id", "=", id).execute();
}
