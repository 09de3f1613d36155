import { type Kysely, sql } from "kysely";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { UsersDatabase } from "./account.ts";

/** What two accounts cannot both have: a username, and an e-mail address that one of them has verified. */
export interface UniqueFields {
  username?: string | undefined;
  email?: string | undefined;
}

/** The field of each unique index. */
const FIELD_OF_INDEX: Readonly<Record<string, keyof UniqueFields>> = {
  accounts_username: "username",
  accounts_email_verified: "email",
};

const taken = (field: keyof UniqueFields, cause?: Error) =>
  new CitadelError("Conflict", {
    message: `This ${field} is taken.`,
    data: [{ field, type: "taken" }],
    cause,
  });

/** @throws CitadelError Conflict that names the field, for a violated unique index; any other error as it is */
export function rethrowConflict(error: Error & { constraint?: string }): never {
  const field = FIELD_OF_INDEX[error.constraint ?? ""];
  throw field ? taken(field, error) : error;
}

/**
 * Checks unique fields before expensive work. The unique indexes decide between requests that want the same value at
 * the same time.
 *
 * @param except the account that is to have the values
 * @throws CitadelError Conflict that names the field
 */
export async function mustBeFree(
  db: Kysely<UsersDatabase>,
  { username, email }: UniqueFields,
  except: string | null = null,
): Promise<void> {
  const isUsername = sql<boolean>`lower(username) = lower(${username ?? null}::text)`;
  const isEmail = sql<boolean>`lower(email) = lower(${email ?? null}::text)`;
  const other = await db
    .selectFrom("accounts")
    .select(sql<boolean>`coalesce(${isUsername}, false)`.as("is_username"))
    .where("id", "is distinct from", except)
    .where(({ eb, or, and }) =>
      or([isUsername, and([isEmail, eb("email_verified_at", "is not", null)])]),
    )
    .orderBy("is_username", "desc")
    .limit(1)
    .executeTakeFirst();
  if (other) throw taken(other.is_username ? "username" : "email");
}
