/**
 * How many wrong passwords and codes are allowed; `seconds` is the window. `pair` and `address` count each network of
 * an IPv6 address (`networkKeysOf`): a /56 has 1.5 times, a /48 has twice the limit of a /64.
 */
export const LOGIN_LIMITS = {
  /** For one name of an account, from one client address. */
  pair: { max: 10, seconds: 15 * 60 },
  /** For one name of an account, from all addresses that the account has not signed in from. */
  account: { max: 50, seconds: 60 * 60 },
  /** For all accounts, from one client address. */
  address: { max: 100, seconds: 15 * 60 },
  /** For all accounts, each from all addresses that it has not signed in from. */
  everywhere: { max: 1_000, seconds: 15 * 60 },
} as const;

export type LoginLimitName = keyof typeof LOGIN_LIMITS;

/**
 * Wrong codes of one account's second factor, sent with the right password from any address. From the `free`th on, each
 * one is followed by a delay, which doubles.
 */
export const CODE_LIMITS = {
  free: 5,
  /** The first delay, in seconds. */
  firstDelay: 60,
  /** The longest delay, in seconds. */
  maxDelay: 24 * 3_600,
  /** After how long one wrong code is forgotten, in seconds. A right code does not clear the count. */
  forgetAfter: 24 * 3_600,
  /** The owner gets a mail each time when this many more were counted. */
  mailEvery: 5,
} as const;

/** Wrong recovery codes of one account: from all unknown addresses together, and from each known address. */
export const RECOVERY_CODE_LIMIT = { max: 10, seconds: 24 * 3_600 } as const;

/** A duration as text: 45 seconds, 12 minutes, 3 hours. */
function inWords(seconds: number): string {
  const [size, unit] =
    seconds < 120 ? [1, "second"] : seconds < 7_200 ? [60, "minute"] : [3_600, "hour"];
  const count = Math.ceil(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

const BY_MAIL = "set a new password now with a link by mail ('Forgot password')";
const FROM_KNOWN = "sign in from a network that you have signed in from before";

/** The reason of each refusal, and what the user can do besides waiting. A new password does not lift `address`. */
const TEXTS: Readonly<Record<LoginLimitName, readonly [reason: string, waysOut: string]>> = {
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

/** The message of a refused login. It does not depend on whether the account exists. */
export function loginLimitMessage(limit: LoginLimitName, retryAfter: number): string {
  const [reason, waysOut] = TEXTS[limit];
  return `${reason} Try again in ${inWords(retryAfter)}, ${waysOut}.`;
}

export const codesMessage = (retryAfter: number): string =>
  `Too many wrong codes for this account. Try again in ${inWords(retryAfter)}, or send a recovery code.`;

export const recoveryCodesMessage = (retryAfter: number): string =>
  `Too many wrong recovery codes for this account. Try again in ${inWords(retryAfter)}, ` +
  "or ask an administrator to remove the second factor.";
