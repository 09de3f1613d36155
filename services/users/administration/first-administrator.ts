import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Config } from "../../../lib/config/config.ts";
import type { Passwords } from "../passwords/passwords.ts";
import type { UsersRepository } from "../users.repository.ts";

/**
 * Makes the first administrator, if there is none. In development the password is made up, and shown
 * once; in production it comes from ADMIN_PASSWORD, and without that there is no administrator.
 */
export async function ensureAdministrator(
  { admin: { password, isMadeUp, ...admin } }: Config,
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
      subjectType: "SuperUserAccount",
    });
  } catch (error) {
    if (!(error instanceof CitadelError)) throw error;
    if (error.type === "VALIDATION_ERROR")
      return warn(
        "There is no administrator: ADMIN_PASSWORD is one of the commonest passwords, or longer than " +
          "72 bytes. Set another, and start again.",
      );
    if (error.type !== "Conflict") throw error;
    // another node of this service may have been faster
    if (await accounts.hasAdministrator()) return;
    return warn(
      "There is no administrator: an account that is none has the name in ADMIN_USERNAME. Set another, " +
        "and start again.",
    );
  }
  // straight to the terminal: no log keeps it
  if (isMadeUp)
    process.stdout.write(`\n  The first administrator: ${admin.username} / ${password}\n\n`);
}
