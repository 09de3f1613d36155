import { CitadelError } from "../../lib/errors.ts";
import type { Account } from "./users.repository.ts";

/**
 * The account, where there is one.
 *
 * @param check refuses it by throwing
 * @throws CitadelError NotFound
 */
export function found(
  account: Account | undefined,
  check: (account: Account) => void = () => undefined,
): Account {
  if (!account) throw new CitadelError("NotFound", { message: "There is no such user." });
  check(account);
  return account;
}

/** @throws CitadelError PreconditionFailed where it has changed since this version, if one is named */
export function mustBeVersion(account: Account, version: number | undefined): void {
  if (version !== undefined && version !== account.version)
    throw new CitadelError("PreconditionFailed");
}

/** The refusal to leave nobody who may do everything. */
export const lastAdministrator = () =>
  new CitadelError("Conflict", {
    message: "This is the last administrator. Make somebody else one first.",
  });

/** @throws CitadelError NotFound where its owner has verified an address meanwhile */
export function mustHaveExpired({ expires_at }: Account): void {
  if (expires_at === null || expires_at > new Date()) throw new CitadelError("NotFound");
}
