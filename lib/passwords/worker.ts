import { compareSync, hashSync } from "bcryptjs";

// Runs in a thread of its own, where it may block. What it comes to too late, it leaves: whoever asked has
// given up, and others wait.

const isLate = (until: number) => Date.now() > until;

export const hash = ([password, cost, until]: [string, number, number]): string | undefined =>
  isLate(until) ? undefined : hashSync(password, cost);

/** Is it the first one's password? All are compared. */
export const compare = ([password, hashes, until]: [string, string[], number]):
  | boolean
  | undefined => (isLate(until) ? undefined : hashes.map((one) => compareSync(password, one))[0]);
