import { compareSync, hashSync } from "bcryptjs";

// Runs in a thread of its own, where it may block.

export const hash = ([password, cost]: [string, number]): string => hashSync(password, cost);

export const compare = ([password, expected]: [string, string]): boolean =>
  compareSync(password, expected);
