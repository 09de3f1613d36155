import { createHash } from "node:crypto";
import { type RateLimiterAbstract, RateLimiterMemory } from "rate-limiter-flexible";
import { limitKeyOf } from "../../lib/network/address.ts";
import type { Client } from "../../lib/client.ts";
import { CitadelError } from "../../lib/errors.ts";
import {
  type LimitStore,
  makeLimiter,
  reserve,
  type Reservation,
} from "../../lib/database/counted-attempts.ts";
import { Turns } from "../../lib/turns.ts";
import type { KnownAddressesRepository } from "./known-addresses.repository.ts";

/** How many failures are allowed. */
export const LOGIN_LIMITS = {
  /** Of one account, by one of its names, from one address. */
  pair: { points: 10, duration: 15 * 60 },
  /** Of one account, by one of its names, from addresses that it never signed in from. */
  account: { points: 50, duration: 60 * 60 },
  /** From one address, whatever the account. */
  address: { points: 100, duration: 15 * 60 },
} as const;

export type LimitName = keyof typeof LOGIN_LIMITS;

/** Who is to be proved, and from where. Without a client only the account is limited. */
export interface Attempt {
  /** Undefined where nobody is called so, which makes no difference. */
  readonly account: { readonly id: string; readonly username: string } | undefined;
  /** What was given as the name: the account's username, its e-mail address, or what nobody is called. */
  readonly login: string;
  readonly client: Client | undefined;
}

/** How an attempt ends. */
export interface AttemptOptions {
  /** Is this error a wrong guess? Only wrong guesses stay counted. */
  readonly isFailure: (error: unknown) => boolean;
  /** Called when a limit is reached, once for each key and window. */
  readonly onLimit: (limit: LimitName) => void;
}

/** How many may wait until it is known how those before them ended. */
const MAX_WAITING = 200;

/** An account's id where there is none. */
const NO_ACCOUNT = "00000000-0000-0000-0000-000000000000";

const hashOf = (text: string) => createHash("sha256").update(text).digest("base64url");

/**
 * What an attempt counts for. An account's username and e-mail address count apart: whoever uses one up
 * must not see by the other whose it is. Nothing that can be typed is the name of an account's counter.
 */
const keyOf = ({ account, login }: Attempt) => {
  const lower = login.toLowerCase();
  if (!account) return hashOf(`name ${lower}`);
  const by = lower === account.username.toLowerCase() ? "username" : "email";
  return hashOf(`account ${account.id} ${by}`);
};

/**
 * The limits of signing in. Every attempt is counted before the password is looked at, and given back
 * when it was no failure; one that is refused counts nowhere.
 */
export class LoginLimits {
  readonly #limiters: Readonly<Record<LimitName, RateLimiterAbstract>>;
  /** What was told of already; each node tells for itself. */
  readonly #told: Readonly<Record<LimitName, RateLimiterMemory>>;
  readonly #known: KnownAddressesRepository;
  /** No more are under way than may fail: the next waits to see, and is not refused for what may be right. */
  readonly #turns = new Turns(LOGIN_LIMITS.pair.points, MAX_WAITING);

  constructor(store: LimitStore, known: KnownAddressesRepository) {
    const each = <T>(make: (name: LimitName) => T): Record<LimitName, T> => ({
      pair: make("pair"),
      account: make("account"),
      address: make("address"),
    });
    this.#limiters = each((name) => makeLimiter(store, name, LOGIN_LIMITS[name]));
    this.#told = each((name) => new RateLimiterMemory({ ...LOGIN_LIMITS[name], points: 1 }));
    this.#known = known;
  }

  /**
   * Runs `prove` when it is this attempt's turn, and counts it where it ends in a failure.
   *
   * @throws CitadelError TooManyRequests with `retryAfter`; `prove` has then not run
   */
  async run<T>(attempt: Attempt, options: AttemptOptions, prove: () => Promise<T>): Promise<T> {
    const { account, client } = attempt;
    const key = keyOf(attempt);
    const address = client && limitKeyOf(client.address);
    return this.#turns.run(`${key} ${address ?? ""}`, async () => {
      const counted = await this.#count(key, account?.id, address, options.onLimit);
      let isFailure = false;
      try {
        return await prove();
      } catch (error) {
        isFailure = options.isFailure(error);
        throw error;
      } finally {
        if (!isFailure) await counted.release();
      }
    });
  }

  async #count(
    key: string,
    accountId: string | undefined,
    address: string | undefined,
    onLimit: (limit: LimitName) => void,
  ): Promise<Reservation> {
    if (address === undefined) return this.#reserve([["account", key]], onLimit);
    // asked of nobody's as well: how long it takes tells nothing
    const isKnown = await this.#known.has(accountId ?? NO_ACCOUNT, address);
    const keys = [
      ["pair", hashOf(`${key} ${address}`)],
      ...(isKnown ? [] : [["account", key] as const]),
      ["address", address],
    ] as const;
    return this.#reserve(keys, onLimit);
  }

  /** Remembers from where somebody has signed in. */
  async remember(accountId: string, client: Client | undefined): Promise<void> {
    if (client) await this.#known.add(accountId, limitKeyOf(client.address));
  }

  /** All of these, or none. */
  async #reserve(
    keys: readonly (readonly [LimitName, string])[],
    onLimit: (limit: LimitName) => void,
  ): Promise<Reservation> {
    const reserved: Reservation[] = [];
    const release = async () => {
      for (const one of reserved) await one.release();
    };
    for (const [name, key] of keys)
      try {
        reserved.push(await reserve(this.#limiters[name], key));
      } catch (error) {
        if (error instanceof CitadelError && (await this.#isNew(name, key))) onLimit(name);
        await release();
        throw error;
      }
    return { release };
  }

  async #isNew(name: LimitName, key: string): Promise<boolean> {
    const { consumedPoints } = await this.#told[name].penalty(key);
    return consumedPoints === 1;
  }
}
