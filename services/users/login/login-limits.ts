import { createHash } from "node:crypto";
import { type RateLimiterAbstract, RateLimiterMemory } from "rate-limiter-flexible";
import type { Client } from "../../../lib/context/client.ts";
import {
  AddressLimit,
  type LimitStore,
  makeLimiter,
  reserve,
  reserveAll,
  type Reservation,
} from "../../../lib/limits/counted-attempts.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Place } from "../../../lib/limits/fair-queue.ts";
import { limitKeyOf, widestKeyOf } from "../../../lib/network/address.ts";
import { Turns } from "../../../lib/limits/turns.ts";
import { LOGIN_LIMITS, type LimitName, limitMessage } from "../second-factor/guess-limits.ts";
import type { KnownAddressesRepository } from "./known-addresses.repository.ts";

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

/** The only key of the limit on all failures. */
const EVERYWHERE = "all";

const hashOf = (text: string) => createHash("sha256").update(text).digest("base64url");

const accountKeyOf = (id: string, by: "username" | "email") => hashOf(`account ${id} ${by}`);

/**
 * What an attempt counts for. An account's username and e-mail address count apart: whoever uses one up
 * must not see by the other whose it is. Nothing that can be typed is the name of an account's counter.
 */
const keyOf = ({ account, login }: Attempt) => {
  const lower = login.toLowerCase();
  if (!account) return hashOf(`name ${lower}`);
  return accountKeyOf(account.id, lower === account.username.toLowerCase() ? "username" : "email");
};

const pairKey = (key: string) => (network: string) => hashOf(`${key} ${network}`);

/**
 * The limits of signing in. Every attempt is counted before the password is looked at, and given back
 * when it was no failure; one that is refused counts nowhere.
 */
export class LoginLimits {
  readonly #pair: AddressLimit;
  readonly #account: RateLimiterAbstract;
  readonly #address: AddressLimit;
  readonly #everywhere: RateLimiterAbstract;
  /** What was told of already; each node tells for itself. */
  readonly #told: Readonly<Record<LimitName, RateLimiterMemory>>;
  readonly #known: KnownAddressesRepository;
  /** No more are under way than may fail: the next waits to see, and is not refused for what may be right. */
  readonly #turns = new Turns(LOGIN_LIMITS.pair.points, MAX_WAITING);

  constructor(store: LimitStore, known: KnownAddressesRepository) {
    this.#pair = new AddressLimit(store, "pair", LOGIN_LIMITS.pair);
    this.#account = makeLimiter(store, "account", LOGIN_LIMITS.account);
    this.#address = new AddressLimit(store, "address", LOGIN_LIMITS.address);
    this.#everywhere = makeLimiter(store, "everywhere", LOGIN_LIMITS.everywhere);
    const tellOnce = (name: LimitName) =>
      new RateLimiterMemory({ ...LOGIN_LIMITS[name], points: 1 });
    this.#told = {
      pair: tellOnce("pair"),
      account: tellOnce("account"),
      address: tellOnce("address"),
      everywhere: tellOnce("everywhere"),
    };
    this.#known = known;
  }

  /**
   * Runs `prove` when it is this attempt's turn, and counts it where it ends in a failure.
   *
   * @param prove is told where its costly work waits
   * @throws CitadelError TooManyRequests with `retryAfter`; `prove` has then not run
   */
  async run<T>(
    attempt: Attempt,
    options: AttemptOptions,
    prove: (place: Place) => Promise<T>,
  ): Promise<T> {
    const { account, client } = attempt;
    const key = keyOf(attempt);
    const line = client ? widestKeyOf(client.address) : "";
    return this.#turns.run(`${key} ${line}`, async () => {
      // asked of nobody's as well: how long it takes tells nothing
      const isKnown =
        client !== undefined &&
        (await this.#known.has(account?.id ?? NO_ACCOUNT, limitKeyOf(client.address)));
      const counted = await this.#count(key, isKnown, client, options.onLimit);
      let isFailure = false;
      try {
        return await prove({ line, isKnown });
      } catch (error) {
        isFailure = options.isFailure(error);
        throw error;
      } finally {
        if (!isFailure) await counted.release();
        else if (client && !isKnown) await this.#everywhere.penalty(EVERYWHERE);
      }
    });
  }

  /** Remembers from where somebody has signed in. */
  async remember(accountId: string, client: Client | undefined): Promise<void> {
    if (client) await this.#known.add(accountId, limitKeyOf(client.address));
  }

  /**
   * Lets the owner of an account in at once, who has proved by a mailed link to be it: the wrong guesses at this
   * account from this address are forgotten, and the address is known from now on.
   */
  async welcome(accountId: string, client: Client | undefined): Promise<void> {
    if (!client) return;
    for (const by of ["username", "email"] as const)
      await this.#pair.forget(client.address, pairKey(accountKeyOf(accountId, by)));
    await this.remember(accountId, client);
  }

  async #count(
    key: string,
    isKnown: boolean,
    client: Client | undefined,
    onLimit: (limit: LimitName) => void,
  ): Promise<Reservation> {
    const counting = (name: LimitName, of: string, count: () => Promise<Reservation>) => () =>
      count().catch(async (error: unknown) => {
        if (!(error instanceof CitadelError)) throw error;
        if (await this.#isNew(name, of)) onLimit(name);
        throw explained(error, name);
      });
    const ofAccount = counting("account", key, () => reserve(this.#account, key));
    if (!client) return reserveAll([ofAccount]);
    const { address } = client;
    if (!isKnown) await counting("everywhere", EVERYWHERE, () => this.#mustNotSpray())();
    const network = widestKeyOf(address);
    return reserveAll([
      counting("pair", `${key} ${network}`, () => this.#pair.reserve(address, pairKey(key))),
      ...(isKnown ? [] : [ofAccount]),
      counting("address", network, () => this.#address.reserve(address)),
    ]);
  }

  /**
   * Only failures are counted here, once they are: every login would wait for the one row otherwise.
   *
   * @throws CitadelError TooManyRequests
   */
  async #mustNotSpray(): Promise<Reservation> {
    const counted = await this.#everywhere.get(EVERYWHERE);
    if (counted && counted.consumedPoints >= LOGIN_LIMITS.everywhere.points) {
      const retryAfter = Math.max(1, Math.ceil(counted.msBeforeNext / 1000));
      throw new CitadelError("TooManyRequests", { data: { retryAfter } });
    }
    return { release: async () => undefined };
  }

  async #isNew(name: LimitName, key: string): Promise<boolean> {
    const { consumedPoints } = await this.#told[name].penalty(key);
    return consumedPoints === 1;
  }
}

/** The same refusal, with what can be done until then. */
function explained(error: CitadelError, name: LimitName): CitadelError {
  const { retryAfter } = error.data as { retryAfter: number };
  return new CitadelError("TooManyRequests", {
    message: limitMessage(name, retryAfter),
    data: { retryAfter },
    cause: error,
  });
}
