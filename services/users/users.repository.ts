import { randomUUID } from "node:crypto";
import { type Kysely, sql, type Transaction } from "kysely";
import { type PageRequest, toPage } from "../../lib/contract/schemas/page.ts";
import { newestFirst } from "../../lib/database/newest-first.ts";
import type {
  Account,
  AccountChanges,
  ChangedAccount,
  CheckAccount,
  DecideChanges,
  NewAccount,
  UsersDatabase,
} from "./accounts/account.ts";
import {
  deleteAccount,
  isAdministrator,
  lockAccount,
  lockWithAdministrators,
  writeAccount,
} from "./accounts/account-rows.ts";
import { lastAdministrator } from "./accounts/account-rules.ts";
import { mustBeFree, rethrowConflict, type UniqueFields } from "./accounts/unique-fields.ts";
import type { Notifications } from "./notifications.ts";
import type { RolesRepository } from "./roles/roles.repository.ts";

/**
 * Accounts. A change that depends on the account's state is decided while its row is locked, and its mails and events are
 * committed with it. The changes that a mailed link makes are in mail/account-links.ts.
 */
export class UsersRepository {
  readonly #db: Kysely<UsersDatabase>;
  readonly #notifications: Notifications;
  readonly #roles: RolesRepository;

  constructor(db: Kysely<UsersDatabase>, notifications: Notifications, roles: RolesRepository) {
    this.#db = db;
    this.#notifications = notifications;
    this.#roles = roles;
  }

  /**
   * Creates an account, tells other services, and mails its owner a link that verifies the address.
   *
   * @throws CitadelError Conflict if the username is taken
   */
  async create(given: NewAccount): Promise<Account> {
    return this.#db.transaction().execute(async (trx) => {
      const account = await this.insert(given, trx);
      await this.#notifications.accountCreated(trx, account);
      return account;
    });
  }

  /**
   * Creates an account that nobody is told of.
   *
   * @param db the transaction to use, if any
   * @throws CitadelError Conflict if the username is taken
   */
  async insert(account: NewAccount, db = this.#db): Promise<Account> {
    const { passwordHash, subjectType, expiresAt, ...rest } = account;
    return db
      .insertInto("accounts")
      .values({
        ...rest,
        id: randomUUID(),
        password_hash: passwordHash,
        subject_type: subjectType,
        expires_at: expiresAt ?? null,
      })
      .returningAll()
      .executeTakeFirstOrThrow()
      .catch(rethrowConflict);
  }

  /**
   * Checks that no other account has these values.
   *
   * @param except the account that is to have them
   * @throws CitadelError Conflict that names the field
   */
  async mustBeFree(fields: UniqueFields, except?: string): Promise<void> {
    await mustBeFree(this.#db, fields, except);
  }

  async find(id: string): Promise<Account | undefined> {
    return this.#db.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** The usernames of those of these accounts that exist. */
  async namesOf(ids: readonly string[]): Promise<{ id: string; username: string }[]> {
    return this.#db
      .selectFrom("accounts")
      .select(["id", "username"])
      .where("id", "in", ids)
      .execute();
  }

  /** Finds an account by its username or e-mail address, ignoring case. */
  async findByLogin(login: string): Promise<Account | undefined> {
    const lower = login.toLowerCase();
    return this.#byEmailFirst()
      .where(({ eb, or }) =>
        or([eb(sql`lower(username)`, "=", lower), eb(sql`lower(email)`, "=", lower)]),
      )
      .executeTakeFirst();
  }

  /** Finds the account that has verified this address or, if none has, the one that claimed it first. Ignores case. */
  async findByEmail(email: string): Promise<Account | undefined> {
    return this.#byEmailFirst()
      .where(sql`lower(email)`, "=", email.toLowerCase())
      .executeTakeFirst();
  }

  #byEmailFirst() {
    return this.#db
      .selectFrom("accounts")
      .selectAll()
      .orderBy(sql`email_verified_at is null`)
      .orderBy("email_since")
      .orderBy("id")
      .limit(1);
  }

  /** Finds another account that has verified this account's address. */
  async findHolder({ id, email }: Pick<Account, "id" | "email">): Promise<Account | undefined> {
    return this.#db
      .selectFrom("accounts")
      .selectAll()
      .where(sql`lower(email)`, "=", email.toLowerCase())
      .where("email_verified_at", "is not", null)
      .where("id", "!=", id)
      .executeTakeFirst();
  }

  /** Is there an administrator, apart from this account? */
  async hasAdministrator(except: string | null = null): Promise<boolean> {
    const row = await this.#db
      .selectFrom("accounts")
      .select("id")
      .where(isAdministrator)
      .where("id", "is distinct from", except)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** @throws CitadelError NotFound; Conflict if a unique field is taken */
  async change(id: string, decide: DecideChanges): Promise<ChangedAccount> {
    return this.#db.transaction().execute(async (trx) => {
      const before = await lockAccount(trx, id);
      const roles = await this.#roles.known(before.roles, trx);
      return this.#write(trx, before, decide(before, roles));
    });
  }

  /** Replaces the hash of a password, unless the password has changed. */
  async replaceHash(id: string, old: string, renewed: string): Promise<void> {
    await this.#db
      .updateTable("accounts")
      .set({ password_hash: renewed })
      .where("id", "=", id)
      .where("password_hash", "=", old)
      .execute();
  }

  /**
   * Changes the roles of an account.
   *
   * @param next the roles that it gets; `decide` receives them as well, and none of them is removed meanwhile
   * @throws CitadelError NotFound; Conflict if the last administrator would lose the role
   */
  async changeRoles(
    id: string,
    next: readonly string[],
    decide: DecideChanges,
  ): Promise<ChangedAccount> {
    return this.#db.transaction().execute(async (trx) => {
      const { account: before, isLast } = await lockWithAdministrators(trx, id);
      const roles = await this.#roles.knownLocked([...before.roles, ...next], trx);
      const changes = decide(before, roles);
      if (isLast && !changes.roles?.includes("admin")) throw lastAdministrator();
      return this.#write(trx, before, changes);
    });
  }

  async #write(trx: Transaction<UsersDatabase>, before: Account, changes: AccountChanges) {
    const changed = await writeAccount(trx, before, changes);
    await this.#notifications.accountChanged(trx, changed);
    return changed;
  }

  /**
   * @param check refuses by throwing, once the row is locked
   * @throws CitadelError NotFound; Conflict for the last administrator
   */
  async remove(id: string, check: CheckAccount): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await deleteAccount(trx, id, async (account) =>
        check(account, await this.#roles.known(account.roles, trx)),
      );
      await this.#notifications.accountRemoved(trx, id);
    });
  }

  /** Accounts that have expired, the oldest first. */
  async expired(limit: number): Promise<Account[]> {
    return this.#db
      .selectFrom("accounts")
      .selectAll()
      .where("expires_at", "<", sql<Date>`now()`)
      .orderBy("expires_at")
      .limit(limit)
      .execute();
  }

  /**
   * A page of accounts, the newest first.
   *
   * @param query the beginning of the username, or the beginnings of its parts
   */
  async list<Item>(
    { query, ...page }: PageRequest & { query?: string | undefined },
    toItem: (account: Account) => Item,
  ) {
    let select = this.#db.selectFrom("accounts").selectAll();
    if (query)
      select = select.where(({ or }) =>
        or([
          sql<boolean>`starts_with(lower(username), ${query.toLowerCase()})`,
          // the expression of the index accounts_search
          sql<boolean>`to_tsvector('simple', translate(username, '._-', '   ')) @@ ${prefixes(query)}`,
        ]),
      );
    const rows = await newestFirst(select, page, "created_at", "id").execute();
    return toPage(rows, page.limit, ({ created_at, id }) => ({ at: created_at, id }), toItem);
  }
}

/** A text search for words that begin with the words of the query. */
const prefixes = (query: string) => {
  const words = query.match(/[a-z0-9]+/gi) ?? [];
  return sql`to_tsquery('simple', ${words.map((word) => `${word}:*`).join(" & ")})`;
};
