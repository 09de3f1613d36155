import { type Kysely, sql } from "kysely";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { UsersDatabase } from "../users.repository.ts";

/** What two accounts cannot both have: a username, and an e-mail address that one of them has verified. */
export interface Names {
  username?: string | undefined;
  email?: string | undefined;
}

/** The unique indexes, by the field that they keep unique. */
const INDEXES: Readonly<Record<string, keyof Names>> = {
  accounts_username: "username",
  accounts_email_verified: "email",
};

const taken = (field: keyof Names, cause?: Error) =>
  new CitadelError("Conflict", {
    message: `This ${field} is taken.`,
    data: [{ field, type: "taken" }],
    cause,
  });

/** @throws CitadelError Conflict that names the field, where the database says that one is taken */
export function nameTaken(error: Error & { constraint?: string }): never {
  const field = INDEXES[error.constraint ?? ""];
  throw field ? taken(field, error) : error;
}

/**
 * Checks names before a write, which alone decides between several that want the same at once.
 *
 * @param except the account that is to have them
 * @throws CitadelError Conflict that names the field
 */
export async function mustBeFree(
  db: Kysely<UsersDatabase>,
  { username, email }: Names,
  except: string | null = null,
): Promise<void> {
  const isName = sql<boolean>`lower(username) = lower(${username ?? null}::text)`;
  const isAddress = sql<boolean>`lower(email) = lower(${email ?? null}::text)`;
  const other = await db
    .selectFrom("accounts")
    .select(sql<boolean>`coalesce(${isName}, false)`.as("is_name"))
    .where("id", "is distinct from", except)
    .where(({ eb, or, and }) =>
      or([isName, and([isAddress, eb("email_verified_at", "is not", null)])]),
    )
    .orderBy("is_name", "desc")
    .limit(1)
    .executeTakeFirst();
  if (other) throw taken(other.is_name ? "username" : "email");
}
