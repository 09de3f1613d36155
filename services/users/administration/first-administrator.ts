import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Config } from "../../../lib/config/config.ts";
import { SubjectType } from "../../../lib/tokens/subject-type.ts";
import type { Passwords } from "../passwords/passwords.ts";
import type { UsersRepository } from "../users.repository.ts";

/**
 * Creates the first administrator, if there is none. In production the password comes from ADMIN_PASSWORD, and without
 * it no administrator is created. In development a missing password is generated and printed once.
 */
export async function ensureAdministrator(
  { admin: { password, isGenerated, ...admin } }: Config,
  accounts: UsersRepository,
  passwords: Passwords,
  warn: (message: string) => void,
): Promise<void> {
  if (!password || (await accounts.hasAdministrator())) return;
  try {
    await accounts.insert({
      ...admin,
      passwordHash: await passwords.hash(password),
      roles: ["admin"],
      subjectType: SubjectType.SuperUserAccount,
    });
  } catch (error) {
    if (!(error instanceof CitadelError)) throw error;
    if (error.type === "VALIDATION_ERROR")
      return warn(
        "There is no administrator: ADMIN_PASSWORD is one of the most common passwords, or longer than " +
          "72 bytes. Set another one, and start again.",
      );
    if (error.type !== "Conflict") throw error;
    // another node of this service may have created one at the same time
    if (await accounts.hasAdministrator()) return;
    return warn(
      "There is no administrator: ADMIN_USERNAME is the name of another account. Set another name, " +
        "and start again.",
    );
  }
  // written to the terminal and not to the log, which may be stored
  if (isGenerated)
    process.stdout.write(`\n  The first administrator: ${admin.username} / ${password}\n\n`);
}
