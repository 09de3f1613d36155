import { type Kysely, sql } from "kysely";
import { LinksRepository } from "../mail/links.repository.ts";
import { SecondFactorRepository } from "../second-factor/second-factor.repository.ts";
import type { Account, AccountChanges, ChangedAccount, UsersDatabase } from "./account.ts";
import { lastAdministrator, mustExist } from "./account-rules.ts";
import { rethrowConflict } from "./unique-fields.ts";

// Locks, writes and deletes rows of the accounts table. Each function runs in a transaction of its caller.

type Transaction = Kysely<UsersDatabase>;

export const linksIn = (db: Transaction) => new LinksRepository(db.$pickTables<"links">());

const factorsIn = (db: Transaction) =>
  new SecondFactorRepository(db.$pickTables<"second_factors" | "recovery_codes">());

export const isAdministrator = sql<boolean>`'admin' = any(roles)`;

/** Locks an account's row until the transaction ends. @throws CitadelError NotFound */
export async function lockAccount(trx: Transaction, id: string): Promise<Account> {
  const account = await trx
    .selectFrom("accounts")
    .selectAll()
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
  return mustExist(account);
}

/**
 * Locks an account's row and those of all administrators, so that two administrators who remove each other at the
 * same time do not both succeed.
 *
 * @throws CitadelError NotFound
 */
export async function lockWithAdministrators(trx: Transaction, id: string) {
  const locked = await trx
    .selectFrom("accounts")
    .selectAll()
    .where(({ eb, or }) => or([eb("id", "=", id), isAdministrator]))
    .orderBy("id")
    .forUpdate()
    .execute();
  const account = mustExist(locked.find((one) => one.id === id));
  const isLast =
    account.roles.includes("admin") &&
    !locked.some((one) => one.id !== id && one.roles.includes("admin"));
  return { account, isLast };
}

/**
 * Locks an e-mail address until the transaction ends, so that only one of several accounts can verify it.
 *
 * @returns the id of another account that has verified it
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

/** Writes the changes of a locked account. @throws CitadelError Conflict if a unique field is taken */
export async function writeAccount(
  trx: Transaction,
  before: Account,
  { email: requested, ...changes }: AccountChanges,
): Promise<ChangedAccount> {
  const email = requested === before.email ? undefined : requested;
  const isMoved = email !== undefined;
  const { username, passwordHash, roles, subjectType, emailVerified, restoreLinks } = changes;
  const { name, tags, extensions } = changes;
  const verifiedBefore = isMoved ? null : before.email_verified_at;
  const values = {
    username,
    email,
    password_hash: passwordHash,
    roles,
    subject_type: subjectType,
    name,
    tags,
    extensions: extensions && JSON.stringify(extensions),
    email_verified_at: emailVerified ? (verifiedBefore ?? new Date()) : isMoved ? null : undefined,
    email_since: isMoved ? new Date() : undefined,
    // accounts with a verified address and accounts of staff do not expire
    expires_at: emailVerified || roles ? null : undefined,
  };
  await revokeOutdated(trx, before, { ...changes, email });
  const { removeFactorOf } = changes;
  const isFactorRemoved =
    removeFactorOf !== undefined && (await factorsIn(trx).remove(before.id, removeFactorOf));
  if (Object.values(values).every((value) => value === undefined))
    return { before, after: before, isFactorRemoved };
  const after = await trx
    .updateTable("accounts")
    .set({ ...values, version: before.version + 1 })
    .where("id", "=", before.id)
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch(rethrowConflict);
  if (emailVerified) await revokeOtherClaims(trx, after);
  const restoreLinkId = email && (await updateRestoreLinks(trx, { before, email, restoreLinks }));
  return { before, after, isFactorRemoved, restoreLinkId };
}

/** Revokes the links and the unconfirmed second factor that belong to a replaced address or password. */
async function revokeOutdated(
  trx: Transaction,
  { id }: Account,
  changes: AccountChanges,
): Promise<void> {
  const links = linksIn(trx);
  if (changes.email !== undefined) await links.revoke(id, ["reset-password", "verify-email"]);
  if (!changes.passwordHash) return;
  await links.revoke(id, ["reset-password"]);
  // a person who knew the old password may have seen its secret
  await factorsIn(trx).removeProposed(id);
}

/** Revokes the links of all other accounts with an address that this account has verified. */
async function revokeOtherClaims(trx: Transaction, { id, email }: Account): Promise<void> {
  const claims = await trx
    .selectFrom("accounts")
    .select("id")
    .where(sql`lower(email)`, "=", email.toLowerCase())
    .where("id", "!=", id)
    .execute();
  for (const claim of claims)
    await linksIn(trx).revoke(claim.id, ["reset-password", "verify-email"]);
}

/**
 * Updates the links that restore a former address when an account gets another one. Returning to a former address
 * revokes the links that restore it, and creates none.
 *
 * @returns the id of a new link
 */
async function updateRestoreLinks(
  trx: Transaction,
  change: { before: Account; email: string; restoreLinks: AccountChanges["restoreLinks"] },
): Promise<string | undefined> {
  const { id, email, email_verified_at } = change.before;
  const links = linksIn(trx);
  if (change.restoreLinks === "revoke") await links.revoke(id, ["restore-email"]);
  const isReturn = await links.revokeRestoreLinks(id, change.email);
  if (change.restoreLinks !== "create" || isReturn) return undefined;
  return links.createRestoreLink(id, { email, isVerified: email_verified_at !== null });
}

/**
 * Deletes an account.
 *
 * @param check refuses by throwing, once the row is locked
 * @throws CitadelError NotFound; Conflict for the last administrator
 */
export async function deleteAccount(
  trx: Transaction,
  id: string,
  check: (account: Account) => Promise<void>,
): Promise<void> {
  const { account, isLast } = await lockWithAdministrators(trx, id);
  await check(account);
  if (isLast) throw lastAdministrator();
  await trx.deleteFrom("accounts").where("id", "=", id).execute();
}
