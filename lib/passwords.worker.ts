import bcrypt from "bcryptjs";

// Runs in a thread of its own, where it may block.

export const hash = ([password, cost]: [string, number]): string =>
  bcrypt.hashSync(password, cost);

export const compare = ([password, expected]: [string, string]): boolean =>
  bcrypt.compareSync(password, expected);
