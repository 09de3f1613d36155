import { CitadelError } from "../../../lib/errors/errors.ts";
import { isExtensions, MAX_EXTENSIONS } from "../../../lib/tokens/optional-claims.ts";
import type { Account } from "./account.ts";

/**
 * Returns the account that a repository looked up.
 *
 * @param check refuses the account by throwing
 * @throws CitadelError NotFound
 */
export function mustExist(
  account: Account | undefined,
  check: (account: Account) => void = () => undefined,
): Account {
  if (!account) throw new CitadelError("NotFound", { message: "There is no such user." });
  check(account);
  return account;
}

/** @throws CitadelError PreconditionFailed if a version is given and the account has another one */
export function mustBeVersion(account: Account, version: number | undefined): void {
  if (version !== undefined && version !== account.version)
    throw new CitadelError("PreconditionFailed");
}

/** @throws CitadelError VALIDATION_ERROR unless these extensions fit into a token */
export function mustFit(extensions: Record<string, unknown> | null | undefined): void {
  if (extensions && !isExtensions(extensions))
    throw new CitadelError("VALIDATION_ERROR", {
      data: [
        {
          field: "extensions",
          type: "extensions",
          message: `Must be an object of at most ${MAX_EXTENSIONS} bytes as JSON.`,
        },
      ],
    });
}

/** Thrown instead of leaving the application without an administrator. */
export const lastAdministrator = () =>
  new CitadelError("Conflict", {
    message: "This is the last administrator. Give another account the role admin first.",
  });
