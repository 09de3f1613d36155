import { SubjectType } from "../../../lib/tokens/subject-type.ts";
import { checkPassword } from "../passwords/password-rules.ts";
import type { Passwords } from "../passwords/passwords.ts";
import type { UsersRepository } from "../users.repository.ts";
import type { Account } from "./account.ts";
import type { UniqueFields } from "./unique-fields.ts";

interface CreateAccountOptions {
  /**
   * The fields that must not be taken. Registering leaves out the address, since a refusal would tell that an
   * account with it exists.
   */
  readonly unique: UniqueFields;
  /** Refuses by throwing, right before the account is written. */
  readonly check?: () => Promise<void>;
  readonly expiresAt?: Date | undefined;
}

/**
 * Creates the account of an end user.
 *
 * @throws CitadelError VALIDATION_ERROR for the password; Conflict if a unique field is taken; TooManyRequests while too
 * many passwords wait to be hashed
 */
export async function createAccount(
  components: { accounts: UsersRepository; passwords: Passwords },
  given: { username: string; email: string; password: string },
  { unique, check, expiresAt }: CreateAccountOptions,
): Promise<Account> {
  const { accounts, passwords } = components;
  const { password, ...owner } = given;
  // hashing is expensive: refuse before it what can be refused
  checkPassword(password, owner);
  await accounts.mustBeFree(unique);
  const passwordHash = await passwords.hash(password, owner);
  await check?.();
  return accounts.create({
    ...owner,
    passwordHash,
    roles: ["user"],
    subjectType: SubjectType.EndUserAccount,
    expiresAt,
  });
}
