import { type Generated, type Kysely, sql } from "kysely";
import type { Config } from "../../../lib/config/config.ts";

export interface HashingCostDatabase {
  hashing_cost: { id: Generated<boolean>; cost: number };
}

/** The lowest cost that OWASP's Password Storage Cheat Sheet allows for bcrypt. */
export const MIN_COST = 10;

const MAX_COST = 15;

/**
 * The highest cost with which a hash takes at most the target, from `MIN_COST` to `MAX_COST`. One more doubles the time.
 *
 * @param time of a hash with `MIN_COST`, in milliseconds
 * @param target in milliseconds
 * @internal
 */
export function costFor(time: number, target: number): number {
  const doublings = Math.floor(Math.log2(target / time));
  return Math.min(MAX_COST, MIN_COST + Math.max(0, doublings));
}

const timeOf = (cost: number, time: number) => Math.round(time * 2 ** (cost - MIN_COST));

export interface HashingCostOptions {
  readonly db: Kysely<HashingCostDatabase>;
  readonly config: Pick<Config, "bcryptCost" | "bcryptTarget">;
  readonly log: Record<"info" | "warn", (message: string) => void>;
}

/**
 * The bcrypt cost of new hashes: BCRYPT_COST, or the highest one that meets BCRYPT_TARGET_MS on this machine. It is in the
 * database, since all nodes must have the same one: otherwise they would replace each other's hashes, and the time of a
 * login would tell accounts from unknown names. A measurement can only raise it.
 */
export class HashingCost {
  readonly #options: HashingCostOptions;
  #checked: Promise<void> | undefined;

  constructor(options: HashingCostOptions) {
    this.#options = options;
  }

  /** @param measure measures a hash with `MIN_COST` on this machine, in milliseconds; called once */
  async current(measure: () => Promise<number>): Promise<number> {
    this.#checked ??= this.#check(measure).catch((error: unknown) => {
      this.#checked = undefined;
      throw error;
    });
    await this.#checked;
    return this.#options.config.bcryptCost ?? this.#stored();
  }

  async #check(measure: () => Promise<number>): Promise<void> {
    const { bcryptCost, bcryptTarget } = this.#options.config;
    if (bcryptCost !== undefined) return this.#store(bcryptCost, sql`excluded.cost`);
    const time = await measure();
    const chosen = costFor(time, bcryptTarget);
    await this.#store(chosen, sql`greatest(hashing_cost.cost, excluded.cost)`);
    this.#report(await this.#stored(), chosen, time);
  }

  #report(cost: number, chosen: number, time: number): void {
    const { config, log } = this.#options;
    const target = `BCRYPT_TARGET_MS is ${config.bcryptTarget}`;
    const result = `A password hash with bcrypt cost ${cost} takes ${timeOf(cost, time)} ms on this machine; ${target}.`;
    if (cost > chosen)
      log.warn(
        `${result} The cost is shared by all nodes and not lowered automatically; BCRYPT_COST=${chosen} lowers it.`,
      );
    else if (timeOf(cost, time) > config.bcryptTarget)
      log.warn(`${result} ${MIN_COST} is the lowest cost that is safe: expect slow logins.`);
    else log.info(result);
  }

  /** @param cost the new value, if there is an old one */
  async #store(first: number, cost: ReturnType<typeof sql<number>>): Promise<void> {
    await this.#options.db
      .insertInto("hashing_cost")
      .values({ cost: first })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ cost }))
      .execute();
  }

  async #stored(): Promise<number> {
    const { cost } = await this.#options.db
      .selectFrom("hashing_cost")
      .select("cost")
      .executeTakeFirstOrThrow();
    return cost;
  }
}
