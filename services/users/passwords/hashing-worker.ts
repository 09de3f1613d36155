import { compareSync, hashSync } from "bcryptjs";

// Runs in a worker thread, which it may block.

export const hash = ([password, cost]: [string, number]): string => hashSync(password, cost);

/** Compares a password with all hashes. @returns whether it matches the first one */
export const compare = ([password, hashes]: [string, string[]]): boolean | undefined =>
  hashes.map((one) => compareSync(password, one))[0];
