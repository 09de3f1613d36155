import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import { CitadelError } from "../../lib/errors.ts";
import { newestFirst } from "../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../lib/page.ts";
import type { SubjectType } from "../../lib/tokens/access-token.ts";
import { keptOnMove } from "./recovery-address.ts";
import { type LinkPurpose, type LinksDatabase, LinksRepository } from "./links.repository.ts";

interface Accounts {
  id: string;
  username: string;
  email: string;
  password_hash: string;
  roles: string[];
  subject_type: SubjectType;
  created_at: Generated<Date>;
  email_verified_at: Date | null;
  version: Generated<number>;
  recovery_email: string | null;
  recovery_until: Date | null;
}

export type Account = Selectable<Accounts>;

export interface NewAccount {
  username: string;
  email: string;
  passwordHash: string;
  roles: string[];
  subjectType: SubjectType;
}

export interface Changes {
  username?: string | undefined;
  email?: string | undefined;
  passwordHash?: string | undefined;
  roles?: string[] | undefined;
  subjectType?: SubjectType | undefined;
  /** Its owner has shown to read what comes to the address. */
  emailVerified?: true;
}

/** Says what is to change of an account as it is now, or refuses by throwing. It may not wait for anything. */
export type Decide = (account: Account) => Changes;

/** An account before and after a change. */
export interface Changed {
  before: Account;
  after: Account;
}

/** The unique indexes, by what somebody else has already. */
const TAKEN: Readonly<Record<string, string>> = {
  accounts_username: "username",
  accounts_email: "email",
};

/** @throws CitadelError Conflict that names the field, where the database says that one is taken */
function nameTaken(error: Error & { constraint?: string }): never {
  const field = TAKEN[error.constraint ?? ""];
  if (!field) throw error;
  throw new CitadelError("Conflict", {
    message: `This ${field} is taken.`,
    data: [{ field, type: "taken" }],
    cause: error,
  });
}

export interface UsersDatabase extends LinksDatabase {
  accounts: Accounts;
}

/** Accounts. What is decided about one is decided while nobody else changes it. */
export class UsersRepository {
  readonly #db: Kysely<UsersDatabase>;

  constructor(db: Kysely<UsersDatabase>) {
    this.#db = db;
  }

  async insert({ passwordHash, subjectType, ...account }: NewAccount): Promise<Account> {
    return this.#db
      .insertInto("accounts")
      .values({
        ...account,
        id: randomUUID(),
        password_hash: passwordHash,
        subject_type: subjectType,
      })
      .returningAll()
      .executeTakeFirstOrThrow()
      .catch(nameTaken);
  }

  async find(id: string): Promise<Account | undefined> {
    return this.#db.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** By username or e-mail address, whatever the case. */
  async findByLogin(login: string): Promise<Account | undefined> {
    const lower = login.toLowerCase();
    return this.#db
      .selectFrom("accounts")
      .selectAll()
      .where((where) =>
        where.or([where(sql`lower(username)`, "=", lower), where(sql`lower(email)`, "=", lower)]),
      )
      .executeTakeFirst();
  }

  /** By e-mail address, whatever the case: that of now, or the one that links go to still. */
  async findByEmail(email: string): Promise<Account | undefined> {
    const lower = email.toLowerCase();
    return (
      this.#db
        .selectFrom("accounts")
        .selectAll()
        .where(({ eb, or, and }) =>
          or([
            eb(sql`lower(email)`, "=", lower),
            and([
              eb(sql`lower(recovery_email)`, "=", lower),
              eb("recovery_until", ">", sql<Date>`now()`),
            ]),
          ]),
        )
        // whose it is now comes first
        .orderBy(sql`lower(email) = ${lower}`, "desc")
        .limit(1)
        .executeTakeFirst()
    );
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

  /** @throws CitadelError NotFound */
  async change(id: string, decide: Decide): Promise<Changed> {
    return this.#db.transaction().execute(async (trx) => {
      const before = await lock(trx, id);
      return { before, after: await write(trx, before, decide(before)) };
    });
  }

  /** Another hash of the same password, unless that has been changed. */
  async replaceHash(id: string, old: string, renewed: string): Promise<void> {
    await this.#db
      .updateTable("accounts")
      .set({ password_hash: renewed })
      .where("id", "=", id)
      .where("password_hash", "=", old)
      .execute();
  }

  /** @throws CitadelError NotFound; Conflict where the last administrator would be none any more */
  async changeRoles(id: string, decide: Decide): Promise<Changed> {
    return this.#db.transaction().execute(async (trx) => {
      const { account: before, isLast } = await lockWithAdministrators(trx, id);
      const changes = decide(before);
      if (isLast && !changes.roles?.includes("admin")) throw lastAdministrator();
      return { before, after: await write(trx, before, changes) };
    });
  }

  /**
   * @param check refuses by throwing
   * @throws CitadelError NotFound; Conflict for the last administrator
   */
  async remove(id: string, check: (account: Account) => void): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const { account, isLast } = await lockWithAdministrators(trx, id);
      check(account);
      if (isLast) throw lastAdministrator();
      await trx.deleteFrom("accounts").where("id", "=", id).execute();
    });
  }

  /** Makes a link of which older ones end. @returns its token; undefined: there were enough lately */
  async makeLink(id: string, purpose: LinkPurpose): Promise<string | undefined> {
    return this.#db.transaction().execute(async (trx) => {
      await lock(trx, id);
      return linksIn(trx).make(id, purpose);
    });
  }

  /** Whose link this is. Nothing is used up. @throws CitadelError LinkInvalid */
  async ownerOfLink(token: string, purpose: LinkPurpose): Promise<string> {
    const id = await linksIn(this.#db).ownerOf(token, purpose);
    if (id === undefined) throw new CitadelError("LinkInvalid");
    return id;
  }

  /** Uses up a link, of many at once one time, for this change. @throws CitadelError LinkInvalid */
  async changeByLink(token: string, purpose: LinkPurpose, decide: Decide): Promise<Account> {
    const id = await this.ownerOfLink(token, purpose);
    return this.#db.transaction().execute(async (trx) => {
      const account = await lock(trx, id);
      const links = linksIn(trx);
      if ((await links.ownerOf(token, purpose)) !== id) throw new CitadelError("LinkInvalid");
      await links.end(id, [purpose]);
      return write(trx, account, decide(account));
    });
  }

  /** Newest first, those whose username, or parts of it, begin with `query`. */
  async list<Item>(
    { query, ...page }: PageRequest & { query?: string | undefined },
    toItem: (account: Account) => Item,
  ) {
    let select = this.#db.selectFrom("accounts").selectAll();
    if (query)
      select = select.where(({ or }) =>
        or([
          sql<boolean>`starts_with(lower(username), ${query.toLowerCase()})`,
          // the expression of the index
          sql<boolean>`to_tsvector('simple', translate(username, '._-', '   ')) @@ ${prefixes(query)}`,
        ]),
      );
    const rows = await newestFirst(select, page, "created_at", "id").execute();
    return toPage(rows, page.limit, ({ created_at, id }) => ({ at: created_at, id }), toItem);
  }
}

/** A search for words that begin with these. */
const prefixes = (query: string) => {
  const words = query.match(/[a-z0-9]+/gi) ?? [];
  return sql`to_tsquery('simple', ${words.map((word) => `${word}:*`).join(" & ")})`;
};

/** @throws CitadelError PreconditionFailed where it has changed since this version, if one is named */
export function mustBeVersion(account: Account, version: number | undefined): void {
  if (version !== undefined && version !== account.version)
    throw new CitadelError("PreconditionFailed");
}

type Transaction = Kysely<UsersDatabase>;

const linksIn = (db: Transaction) => new LinksRepository(db.$pickTables<"links">());

const isAdministrator = sql<boolean>`'admin' = any(roles)`;

/** The refusal to leave nobody who may do everything. */
export const lastAdministrator = () =>
  new CitadelError("Conflict", {
    message: "This is the last administrator. Make somebody else one first.",
  });

/** An account that nobody else changes until the transaction ends. @throws CitadelError NotFound */
async function lock(trx: Transaction, id: string): Promise<Account> {
  const account = await trx
    .selectFrom("accounts")
    .selectAll()
    .where("id", "=", id)
    .forUpdate()
    .executeTakeFirst();
  return found(account);
}

/** The same, with all administrators: of several who go at once, one is the last. */
async function lockWithAdministrators(trx: Transaction, id: string) {
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

/** Writes what changes of a locked account. Links that were mailed for what was there before end. */
async function write(trx: Transaction, before: Account, changes: Changes): Promise<Account> {
  const { username, email, passwordHash, roles, subjectType, emailVerified } = changes;
  const isMoved = email !== undefined && email !== before.email;
  const values = {
    ...(isMoved && keptOnMove(before)),
    username,
    email,
    password_hash: passwordHash,
    roles,
    subject_type: subjectType,
    email_verified_at: isMoved ? null : emailVerified && (before.email_verified_at ?? new Date()),
  };
  if (isMoved) await linksIn(trx).end(before.id, ["reset-password", "verify-email"]);
  else if (passwordHash) await linksIn(trx).end(before.id, ["reset-password"]);
  if (Object.values(values).every((value) => value === undefined)) return before;
  return trx
    .updateTable("accounts")
    .set({ ...values, version: before.version + 1 })
    .where("id", "=", before.id)
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch(nameTaken);
}

/**
 * The account, where there is one.
 *
 * @param check refuses it by throwing
 * @throws CitadelError NotFound
 */
export function found(
  account: Account | undefined,
  check: (account: Account) => void = () => undefined,
): Account {
  if (!account) throw new CitadelError("NotFound", { message: "There is no such user." });
  check(account);
  return account;
}
