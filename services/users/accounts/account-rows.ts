import { type Kysely, sql } from "kysely";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import { found, lastAdministrator } from "./account-rules.ts";
import { LinksRepository } from "../mail/links.repository.ts";
import { SecondFactorRepository } from "../second-factor/second-factor.repository.ts";
import { nameTaken } from "./unique-fields.ts";
import type { Account, Changed, Changes, UsersDatabase } from "../users.repository.ts";
import { contract } from "../users.contract.ts";

/** What is read and written of accounts in a transaction that has locked them. */
type Transaction = Kysely<UsersDatabase>;

export const linksIn = (db: Transaction) => new LinksRepository(db.$pickTables<"links">());

const factorsIn = (db: Transaction) =>
  new SecondFactorRepository(db.$pickTables<"second_factors" | "recovery_codes">());

export const isAdministrator = sql<boolean>`'admin' = any(roles)`;

/** An account that nobody else changes until the transaction ends. @throws CitadelError NotFound */
export async function lock(trx: Transaction, id: string): Promise<Account> {
  const account = await trx
    .selectFrom("accounts")
    .selectAll()
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
  return found(account);
}

/** The same, with all administrators: of several who go at once, one is the last. */
export async function lockWithAdministrators(trx: Transaction, id: string) {
  const locked = await trx
    .selectFrom("accounts")
    .selectAll()
    .where(({ eb, or }) => or([eb("id", "=", id), isAdministrator]))
    .orderBy("id")
    .forUpdate()
    .execute();
  const account = found(locked.find((one) => one.id === id));
  const isLast =
    account.roles.includes("admin") &&
    !locked.some((one) => one.id !== id && one.roles.includes("admin"));
  return { account, isLast };
}

/**
 * Locks an address until the transaction ends, so that of several accounts that verify it at once one does.
 *
 * @returns the other account that has verified it
 */
export async function lockAddress(
  trx: Transaction,
  email: string,
  except: string,
): Promise<string | undefined> {
  await sql`select pg_advisory_xact_lock(hashtextextended(lower(${email}), 0))`.execute(trx);
  const holder = await trx
    .selectFrom("accounts")
    .select("id")
    .where(sql`lower(email)`, "=", email.toLowerCase())
    .where("email_verified_at", "is not", null)
    .where("id", "!=", except)
    .executeTakeFirst();
  return holder?.id;
}

/** The links of others who claim an address end once it is somebody's. */
async function endClaims(trx: Transaction, { id, email }: Account): Promise<void> {
  const claims = await trx
    .selectFrom("accounts")
    .select("id")
    .where(sql`lower(email)`, "=", email.toLowerCase())
    .where("id", "!=", id)
    .execute();
  for (const claim of claims) await linksIn(trx).end(claim.id, ["reset-password", "verify-email"]);
}

/** Ends what was mailed or shown for what an account had before a change. */
async function endOlder(trx: Transaction, { id }: Account, changes: Changes): Promise<void> {
  const links = linksIn(trx);
  if (changes.email !== undefined) await links.end(id, ["reset-password", "verify-email"]);
  if (!changes.passwordHash) return;
  await links.end(id, ["reset-password"]);
  // whoever knew the old password may have seen its secret
  await factorsIn(trx).removeProposed(id);
}

/**
 * Ends the links that a move makes worthless, and makes the one that undoes it, which a return to an
 * address that such a link gives back has not.
 *
 * @returns its token
 */
async function renewRestoring(
  trx: Transaction,
  { before, to, restorable }: { before: Account; to: string; restorable: Changes["restorable"] },
): Promise<string | undefined> {
  const { id, email, email_verified_at } = before;
  const links = linksIn(trx);
  if (restorable === "never") await links.end(id, ["restore-email"]);
  const isReturn = await links.endRestoring(id, to);
  if (restorable !== "by-link" || isReturn) return undefined;
  return links.makeRestoring(id, { email, isVerified: email_verified_at !== null });
}

/** Writes what changes of a locked account. */
export async function write(
  trx: Transaction,
  before: Account,
  { email: given, ...changes }: Changes,
): Promise<Changed> {
  const email = given === before.email ? undefined : given;
  const isMoved = email !== undefined;
  const { username, passwordHash, roles, subjectType, emailVerified } = changes;
  const verifiedBefore = isMoved ? null : before.email_verified_at;
  const values = {
    username,
    email,
    password_hash: passwordHash,
    roles,
    subject_type: subjectType,
    email_verified_at: emailVerified ? (verifiedBefore ?? new Date()) : isMoved ? null : undefined,
    email_since: isMoved ? new Date() : undefined,
    // who has proved an address, or works for the operator, stays
    expires_at: emailVerified || roles ? null : undefined,
  };
  await endOlder(trx, before, { ...changes, email });
  const { endsFactor } = changes;
  const isFactorEnded =
    endsFactor !== undefined && (await factorsIn(trx).remove(before.id, endsFactor));
  if (Object.values(values).every((value) => value === undefined))
    return { before, after: before, isFactorEnded };
  const after = await trx
    .updateTable("accounts")
    .set({ ...values, version: before.version + 1 })
    .where("id", "=", before.id)
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch(nameTaken);
  if (emailVerified) await endClaims(trx, after);
  const restoringToken =
    email && (await renewRestoring(trx, { before, to: email, restorable: changes.restorable }));
  return { before, after, isFactorEnded, restoringToken };
}

/** Deletes a locked account. @throws CitadelError Conflict for the last administrator */
export async function remove(
  trx: Transaction,
  id: string,
  check: (account: Account) => void,
): Promise<void> {
  const { account, isLast } = await lockWithAdministrators(trx, id);
  check(account);
  if (isLast) throw lastAdministrator();
  await trx.deleteFrom("accounts").where("id", "=", id).execute();
}

/** The refusal of a link that is used, too old, made up, or for an address that is another account's. */
export const linkInvalid = () => new ServiceError(contract, "LinkInvalid");
