import { createHmac, hkdfSync } from "node:crypto";
import { type Kysely, sql } from "kysely";
import type { Service } from "moleculer";
import { Encryption } from "../encryption.ts";
import { CitadelError } from "../errors.ts";

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
  /** Nobody else's request is this one; undefined: nobody is signed in. */
  userId: string | undefined;
  params: unknown;
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
   * @throws CitadelError VALIDATION_ERROR if the key was used for another request, Conflict while the
   * first is under way, and whatever `run` throws
   */
  async once<Answer>(request: RepeatableRequest, run: () => Promise<Answer>): Promise<Answer> {
    const { key, action, userId = "", params } = request;
    const scope = [action, userId, key].join("\0");
    const derived = Buffer.from(hkdfSync("sha256", this.#secret + key, "", scope, 32));
    const hash = (text: string) => createHmac("sha256", derived).update(text).digest("base64url");
    const id = hash("id");
    const encryption = new Encryption(derived.toString("base64url"));

    const first = await this.#begin(id, hash(JSON.stringify(params)));
    if (first !== undefined) return JSON.parse(encryption.decrypt(first, id)) as Answer;
    const answer = await run().catch(async (error: unknown) => {
      await this.#db.deleteFrom("idempotency_keys").where("id", "=", id).execute();
      throw error;
    });
    // what is done is done, and said: a repeat finds the first under way, and makes nothing more meanwhile
    await this.#finish(id, encryption.encrypt(JSON.stringify(answer ?? null), id)).catch(
      (error: unknown) => this.#logger.warn({ err: error }, "An answer could not be kept."),
    );
    return answer;
  }

  /** Begins a request that is new. @returns the first one's answer, if it is not */
  async #begin(id: string, request: string): Promise<string | undefined> {
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
    const inserted = await this.#db
      .insertInto("idempotency_keys")
      .values({ id, request, answer: null, created_at: sql`now()` })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning("id")
      .executeTakeFirst();
    if (inserted) return undefined;
    const first = await this.#db
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

  async #finish(id: string, answer: string): Promise<void> {
    await this.#db.updateTable("idempotency_keys").set({ answer }).where("id", "=", id).execute();
  }
}
