import { compareSync, hashSync } from "bcryptjs";

// Runs in a thread of its own, where it may block.

export const hash = ([password, cost]: [string, number]): string => hashSync(password, cost);

/** Is it the first one's password? All are compared. */
export const compare = ([password, hashes]: [string, string[]]): boolean | undefined =>
  hashes.map((one) => compareSync(password, one))[0];
