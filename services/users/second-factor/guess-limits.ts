/**
 * How many wrong guesses are allowed, in how many seconds. `pair` and `address` count each network of an IPv6
 * address (`networkKeysOf`): these are the limits of a /64; a /56 has 1.5 times, a /48 twice as many.
 */
export const LOGIN_LIMITS = {
  /** Of one account, by one of its names, from one address. */
  pair: { points: 10, duration: 15 * 60 },
  /** Of one account, by one of its names, from addresses that it never signed in from. */
  account: { points: 50, duration: 60 * 60 },
  /** From one address, whatever the account. */
  address: { points: 100, duration: 15 * 60 },
  /** Of all accounts, from all addresses that the account in question never signed in from. */
  everywhere: { points: 1_000, duration: 15 * 60 },
} as const;

export type LimitName = keyof typeof LOGIN_LIMITS;

/**
 * Wrong codes of the second factor, of one account from wherever, with the right password. From `free` on, each one
 * is followed by a delay, which doubles.
 */
export const CODE_LIMITS = {
  free: 5,
  /** The first delay, in seconds. */
  firstDelay: 60,
  /** The longest delay, in seconds. */
  maxDelay: 24 * 3_600,
  /** After how long one wrong code is forgotten, in seconds. Nothing else forgets it: its owner signs in meanwhile. */
  forgetAfter: 24 * 3_600,
  /** The owner gets a mail after each so many. */
  mailEvery: 5,
} as const;

/** Wrong recovery codes of one account, from all addresses that are new to it, and from each that is known. */
export const RECOVERY_CODE_LIMIT = { points: 10, duration: 24 * 3_600 } as const;

/** In words: 45 seconds, 12 minutes, 3 hours. */
function inWords(seconds: number): string {
  const [size, unit] =
    seconds < 120 ? [1, "second"] : seconds < 7_200 ? [60, "minute"] : [3_600, "hour"];
  const count = Math.ceil(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

const BY_MAIL = "set a new password now with a link by mail ('forgot password')";
const FROM_KNOWN = "sign in from a network that you signed in from before";

/** What happened, and what else can be done than to wait. A new password does not lift the limit of a network. */
const TEXTS: Readonly<Record<LimitName, readonly [reason: string, waysOut: string]>> = {
  pair: [
    "Too many wrong passwords or codes for this account from your network.",
    `sign in from another network, or ${BY_MAIL}`,
  ],
  account: ["Too many wrong passwords or codes for this account.", `${FROM_KNOWN}, or ${BY_MAIL}`],
  address: [
    "Too many wrong passwords or codes from your network.",
    "or sign in from another network",
  ],
  everywhere: [
    "Too many wrong passwords or codes from all over the Internet.",
    `${FROM_KNOWN}, or ${BY_MAIL}`,
  ],
};

/** How long to wait, and what else can be done; the same whether there is such an account or not. */
export function limitMessage(limit: LimitName, retryAfter: number): string {
  const [reason, waysOut] = TEXTS[limit];
  return `${reason} Try again in ${inWords(retryAfter)}, ${waysOut}.`;
}

export const codesMessage = (retryAfter: number): string =>
  `Too many wrong codes for this account. Try again in ${inWords(retryAfter)}, or send a recovery code.`;

export const recoveryCodesMessage = (retryAfter: number): string =>
  `Too many wrong recovery codes for this account. Try again in ${inWords(retryAfter)}, ` +
  "or ask an administrator to take the second factor off.";
