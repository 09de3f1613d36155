import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Period } from "../second-factor/second-factor.repository.ts";
import type { Account } from "../users.repository.ts";

/** How long an account lives whose owner registered it and verifies no address, in milliseconds (mail-texts.ts). */
const UNVERIFIED_LIFETIME = 7 * 86_400_000;

/**
 * When an account expires that somebody registers now. Without a mail server nobody gets the link that verifies an
 * address, and no account expires.
 */
export const expiryOfUnverified = (smtpUrl: string | undefined): Date | undefined =>
  smtpUrl === undefined ? undefined : new Date(Date.now() + UNVERIFIED_LIFETIME);

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

/** In which time an account's owner had not proved the address that it has now. */
export const unproved = ({ email_since, email_verified_at }: Account): Period =>
  email_verified_at === null
    ? { since: new Date(0) }
    : { since: email_since, until: email_verified_at };
