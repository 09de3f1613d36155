import { type Kysely, sql } from "kysely";
import { CitadelError } from "../../lib/errors.ts";
import type { UsersDatabase } from "./users.repository.ts";

/** What two accounts cannot both have. */
export interface Names {
  username?: string | undefined;
  email?: string | undefined;
}

/** The unique indexes, by what somebody else has already. */
const INDEXES: Readonly<Record<string, keyof Names>> = {
  accounts_username: "username",
  accounts_email: "email",
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

/** Which of these somebody else has: the name, the address, or the address that links still go to. */
export async function findTaken(
  db: Kysely<UsersDatabase>,
  { username, email }: Names,
  except: string | null = null,
): Promise<keyof Names | undefined> {
  const isName = sql<boolean>`lower(username) = lower(${username ?? null}::text)`;
  const address = sql`lower(${email ?? null}::text)`;
  const other = await db
    .selectFrom("accounts")
    .select(sql<boolean>`coalesce(${isName}, false)`.as("is_name"))
    .where("id", "is distinct from", except)
    .where(({ or }) =>
      or([
        isName,
        sql<boolean>`lower(email) = ${address}`,
        sql<boolean>`(lower(recovery_email) = ${address} and recovery_until > now())`,
      ]),
    )
    .orderBy("is_name", "desc")
    .limit(1)
    .executeTakeFirst();
  return other && (other.is_name ? "username" : "email");
}

/**
 * The unique indexes know nothing of addresses that links still go to. Of many at once it decides if it is
 * asked after the write, in the same transaction: the index has waited for whoever gave the address up.
 *
 * @throws CitadelError Conflict that names the field
 */
export async function mustBeFree(
  db: Kysely<UsersDatabase>,
  names: Names,
  except?: string,
): Promise<void> {
  const field = await findTaken(db, names, except);
  if (field) throw taken(field);
}
