import { type Kysely, sql } from "kysely";
import { CODE_LIMITS } from "./code-limits.ts";
import type { SecondFactorDatabase } from "./second-factor.repository.ts";

const forgetting = sql`make_interval(secs => ${CODE_LIMITS.forgetAfter})`;

/** When the last wrong code is forgotten, after one more. */
const newGuessesUntil = sql`greatest(guesses_until, now()) + ${forgetting}`;

/** The number of wrong codes that this makes. */
const newGuesses = sql`ceil(extract(epoch from ${newGuessesUntil} - now()) / ${CODE_LIMITS.forgetAfter})`;

/** Counts the wrong codes of each account, over all addresses and nodes. */
export class CodeGuessesRepository {
  readonly #db: Kysely<SecondFactorDatabase>;

  constructor(db: Kysely<SecondFactorDatabase>) {
    this.#db = db;
  }

  /**
   * Counts a code as wrong before it is verified, so that concurrent codes cannot exceed the limit.
   *
   * @returns the number of wrong codes; undefined while the account has to wait, in which case nothing is counted
   */
  async count(accountId: string): Promise<number | undefined> {
    const row = await this.#db
      .updateTable("second_factors")
      .set({
        guesses_until: sql<Date>`${newGuessesUntil}`,
        retry_at: sql<Date | null>`case when ${newGuesses} >= ${CODE_LIMITS.free}
          then now() + make_interval(secs => least(${CODE_LIMITS.maxDelay},
            ${CODE_LIMITS.firstDelay} * power(2, least(${newGuesses} - ${CODE_LIMITS.free}, 30)))::float8) end`,
      })
      .where("account_id", "=", accountId)
      .where((where) =>
        where.or([where("retry_at", "is", null), where("retry_at", "<=", sql<Date>`now()`)]),
      )
      // `returning` sees the new value of guesses_until
      .returning(
        sql<number>`ceil(extract(epoch from guesses_until - now()) / ${CODE_LIMITS.forgetAfter})::int`.as(
          "guesses",
        ),
      )
      .executeTakeFirst();
    return row?.guesses;
  }

  /** Takes back the count of a code that was right. */
  async release(accountId: string): Promise<void> {
    await this.#db
      .updateTable("second_factors")
      .set({ guesses_until: sql<Date>`guesses_until - ${forgetting}`, retry_at: null })
      .where("account_id", "=", accountId)
      .execute();
  }

  /** The number of seconds until the account may send a code again. */
  async retryAfter(accountId: string): Promise<number> {
    const row = await this.#db
      .selectFrom("second_factors")
      .select(sql<number>`ceil(extract(epoch from retry_at - now()))::int`.as("seconds"))
      .where("account_id", "=", accountId)
      .executeTakeFirst();
    return Math.max(1, row?.seconds ?? 1);
  }
}
