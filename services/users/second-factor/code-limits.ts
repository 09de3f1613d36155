import { LIMITS } from "../users.limits.ts";

/**
 * Wrong codes of one account's second factor, sent with the right password from any address. From the `free`th on, each
 * one is followed by a delay, which doubles.
 */
export const CODE_LIMITS = {
  free: LIMITS.codes.max,
  /** The first delay, in seconds. */
  firstDelay: 60,
  /** The longest delay, in seconds. */
  maxDelay: 24 * 3_600,
  /** After how long one wrong code is forgotten, in seconds. A right code does not clear the count. */
  forgetAfter: LIMITS.codes.seconds,
  /** The owner gets a mail each time when this many more were counted. */
  mailEvery: 5,
} as const;
