import type { RateLimiterAbstract } from "rate-limiter-flexible";
import { type LimitStore, makeLimiter, reserve } from "../../lib/database/counted-attempts.ts";
import { CitadelError } from "../../lib/errors.ts";
import { limitKeyOf } from "../../lib/network/address.ts";
import type { Client } from "../../lib/client.ts";

/** How often somebody may do what sends mail; all nodes count together. */
export class MailLimits {
  readonly #links: RateLimiterAbstract;
  readonly #moves: RateLimiterAbstract;

  constructor(store: LimitStore) {
    this.#links = makeLimiter(store, "mail-links", { points: 100, duration: 3_600 });
    this.#moves = makeLimiter(store, "mail-moves", { points: 10, duration: 3_600 });
  }

  /** Counts a link that a client asks for. @returns may it be sent? */
  async allowsLink(client: Client | undefined): Promise<boolean> {
    try {
      await reserve(this.#links, limitKeyOf(client?.address ?? ""));
      return true;
    } catch (error) {
      if (error instanceof CitadelError && error.type === "TooManyRequests") return false;
      throw error;
    }
  }

  /**
   * Counts that somebody names another address, to which mail then goes.
   *
   * @throws CitadelError TooManyRequests
   */
  async move(accountId: string): Promise<void> {
    await reserve(this.#moves, accountId);
  }
}
