import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";

/** How often somebody may do what sends mail, on this node. */
export class MailLimit {
  readonly #limiter: RateLimiterMemory;

  /** @param perHour how often in an hour */
  constructor(perHour: number) {
    this.#limiter = new RateLimiterMemory({ points: perHour, duration: 3_600 });
  }

  /** Counts one. @returns after how many seconds it may be again; 0: it may be now */
  async take(key: string): Promise<number> {
    try {
      await this.#limiter.consume(key);
      return 0;
    } catch (refusal) {
      if (refusal instanceof Error) throw refusal;
      return Math.ceil((refusal as RateLimiterRes).msBeforeNext / 1_000);
    }
  }
}
