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
import type { QueueLine } from "../../../lib/limits/fair-queue.ts";
import { limitKeyOf, widestKeyOf } from "../../../lib/network/address.ts";
import { KeyedConcurrencyLimit } from "../../../lib/limits/keyed-concurrency-limit.ts";
import type { LimitContract } from "../../../lib/limits/limit.ts";
import { LIMITS } from "../users.limits.ts";
import type { KnownAddressesRepository } from "./known-addresses.repository.ts";
import { type LoginLimitName, loginLimitMessage } from "./limit-messages.ts";

const LOGIN_LIMITS = {
  pair: LIMITS.loginsOfPair,
  account: LIMITS.loginsOfAccount,
  address: LIMITS.loginsOfAddress,
  everywhere: LIMITS.loginsEverywhere,
} as const satisfies Record<LoginLimitName, LimitContract>;

/** An attempt to sign in. Without a client only the account is limited. */
export interface Attempt {
  /** Undefined for an unknown name, which has the same limits. */
  readonly account: { readonly id: string; readonly username: string } | undefined;
  /** The name that was sent: a username or an e-mail address. */
  readonly login: string;
  readonly client: Client | undefined;
}

export interface AttemptOptions {
  /** Is this error a wrong guess? Other attempts do not stay counted. */
  readonly isFailure: (error: unknown) => boolean;
  /** Called when a limit is reached: on each node, once for each key and window. */
  readonly onLimit: (limit: LoginLimitName) => void;
}

/** Stands for the id of an unknown account. */
const NO_ACCOUNT = "00000000-0000-0000-0000-000000000000";

/** The only key of the limit on the failures of all accounts. */
const EVERYWHERE = "all";

const hashOf = (text: string) => createHash("sha256").update(text).digest("base64url");

const accountKeyOf = (id: string, by: "username" | "email") => hashOf(`account ${id} ${by}`);

/**
 * The key of an attempt's counters. An account's username and e-mail address have separate ones: otherwise a client
 * that reaches the limit of the username could tell by a refusal that the address belongs to the same account. The
 * prefixes keep a typed name from being the key of an account.
 */
const keyOf = ({ account, login }: Attempt) => {
  const lower = login.toLowerCase();
  if (!account) return hashOf(`name ${lower}`);
  return accountKeyOf(account.id, lower === account.username.toLowerCase() ? "username" : "email");
};

const pairKey = (key: string) => (network: string) => hashOf(`${key} ${network}`);

/**
 * The limits of login attempts. An attempt is counted before the password is compared, so that concurrent guesses
 * cannot exceed a limit, and released unless it fails. A refused attempt is not counted.
 */
export class LoginLimits {
  readonly #pair: AddressLimit;
  readonly #account: RateLimiterAbstract;
  readonly #address: AddressLimit;
  readonly #everywhere: RateLimiterAbstract;
  /** The limits that were reported; each node reports its own. */
  readonly #reported: Readonly<Record<LoginLimitName, RateLimiterMemory>>;
  readonly #known: KnownAddressesRepository;
  /** At most as many attempts run at once as may fail. A further one waits, since the running ones may succeed. */
  readonly #concurrency = new KeyedConcurrencyLimit({
    running: LOGIN_LIMITS.pair.max,
    waiting: LIMITS.waitingLogins.max,
  });

  constructor(store: LimitStore, known: KnownAddressesRepository) {
    this.#pair = new AddressLimit(store, "pair", LOGIN_LIMITS.pair);
    this.#account = makeLimiter(store, "account", LOGIN_LIMITS.account);
    this.#address = new AddressLimit(store, "address", LOGIN_LIMITS.address);
    this.#everywhere = makeLimiter(store, "everywhere", LOGIN_LIMITS.everywhere);
    const onceIn = (name: LoginLimitName) =>
      new RateLimiterMemory({ points: 1, duration: LOGIN_LIMITS[name].seconds });
    this.#reported = {
      pair: onceIn("pair"),
      account: onceIn("account"),
      address: onceIn("address"),
      everywhere: onceIn("everywhere"),
    };
    this.#known = known;
  }

  /**
   * Runs the check of an attempt, and counts it if it fails.
   *
   * @param check receives the line in which its expensive work waits
   * @throws CitadelError TooManyRequests with `retryAfter`, before `check` runs; and what `check` throws
   */
  async run<T>(
    attempt: Attempt,
    options: AttemptOptions,
    check: (queueLine: QueueLine) => Promise<T>,
  ): Promise<T> {
    const { account, client } = attempt;
    const key = keyOf(attempt);
    const network = client ? widestKeyOf(client.address) : "";
    return this.#concurrency.run(`${key} ${network}`, async () => {
      // queried for an unknown account as well, so that the time does not tell whether there is one
      const isKnown =
        client !== undefined &&
        (await this.#known.has(account?.id ?? NO_ACCOUNT, limitKeyOf(client.address)));
      const counted = await this.#count(key, isKnown, client, options.onLimit);
      let isFailure = false;
      try {
        return await check({ key: network, isKnown });
      } catch (error) {
        isFailure = options.isFailure(error);
        throw error;
      } finally {
        if (!isFailure) await counted.release();
        else if (client && !isKnown) await this.#everywhere.penalty(EVERYWHERE);
      }
    });
  }

  /** Remembers the client's address as one that the account signs in from. */
  async remember(accountId: string, client: Client | undefined): Promise<void> {
    if (client) await this.#known.add(accountId, limitKeyOf(client.address));
  }

  /**
   * Deletes the failures of this account from the client's address, and remembers the address. Called once a mailed
   * link has identified the account's owner.
   */
  async clear(accountId: string, client: Client | undefined): Promise<void> {
    if (!client) return;
    for (const by of ["username", "email"] as const)
      await this.#pair.forget(client.address, pairKey(accountKeyOf(accountId, by)));
    await this.remember(accountId, client);
  }

  async #count(
    key: string,
    isKnown: boolean,
    client: Client | undefined,
    onLimit: (limit: LoginLimitName) => void,
  ): Promise<Reservation> {
    const counting = (name: LoginLimitName, of: string, count: () => Promise<Reservation>) => () =>
      count().catch(async (error: unknown) => {
        if (!(error instanceof CitadelError)) throw error;
        if (await this.#isNew(name, of)) onLimit(name);
        throw withExplanation(error, name);
      });
    const ofAccount = counting("account", key, () => reserve(this.#account, key));
    if (!client) return reserveAll([ofAccount]);
    const { address } = client;
    if (!isKnown) await counting("everywhere", EVERYWHERE, () => this.#checkEverywhere())();
    const network = widestKeyOf(address);
    return reserveAll([
      counting("pair", `${key} ${network}`, () => this.#pair.reserve(address, pairKey(key))),
      ...(isKnown ? [] : [ofAccount]),
      counting("address", network, () => this.#address.reserve(address)),
    ]);
  }

  /**
   * Checks the limit of all accounts. Unlike the others it counts failures only after they happen: otherwise every
   * login would lock the same row.
   *
   * @throws CitadelError TooManyRequests
   */
  async #checkEverywhere(): Promise<Reservation> {
    const counted = await this.#everywhere.get(EVERYWHERE);
    if (counted && counted.consumedPoints >= LOGIN_LIMITS.everywhere.max) {
      const retryAfter = Math.max(1, Math.ceil(counted.msBeforeNext / 1000));
      throw new CitadelError("TooManyRequests", { data: { retryAfter } });
    }
    return { release: async () => undefined };
  }

  async #isNew(name: LoginLimitName, key: string): Promise<boolean> {
    const { consumedPoints } = await this.#reported[name].penalty(key);
    return consumedPoints === 1;
  }
}

/** Adds to a refusal what the user can do meanwhile. */
function withExplanation(error: CitadelError, name: LoginLimitName): CitadelError {
  const { retryAfter } = error.data as { retryAfter: number };
  return new CitadelError("TooManyRequests", {
    message: loginLimitMessage(name, retryAfter),
    data: { retryAfter },
    cause: error,
  });
}
