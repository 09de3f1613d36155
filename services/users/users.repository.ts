import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import { CitadelError } from "../../lib/errors.ts";
import { type PageRequest, readCursor, toPage } from "../../lib/page.ts";
import type { SubjectType } from "../../lib/access-token.ts";

interface Accounts {
  id: string;
  username: string;
  email: string;
  password_hash: string;
  roles: string[];
  subject_type: SubjectType;
  created_at: Generated<Date>;
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

export interface UsersDatabase {
  accounts: Accounts;
}

/** The users service's only table. */
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

  async hasAdministrator(): Promise<boolean> {
    const row = await this.#db
      .selectFrom("accounts")
      .select("id")
      .where(sql<boolean>`'admin' = any(roles)`)
      .executeTakeFirst();
    return row !== undefined;
  }

  async update(id: string, { passwordHash, ...changes }: Changes): Promise<Account | undefined> {
    const values = { ...changes, password_hash: passwordHash };
    if (Object.values(values).every((value) => value === undefined)) return this.find(id);
    return this.#db
      .updateTable("accounts")
      .set(values as Partial<Accounts> as object)
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst()
      .catch(nameTaken);
  }

  async remove(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom("accounts")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Newest first, those whose username begins with `query`. */
  async list<Item>(
    { limit, cursor, query }: PageRequest & { query?: string | undefined },
    toItem: (account: Account) => Item,
  ) {
    const after = readCursor(cursor);
    let select = this.#db
      .selectFrom("accounts")
      .selectAll()
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(limit + 1);
    if (query)
      select = select.where(sql<boolean>`starts_with(lower(username), ${query.toLowerCase()})`);
    if (after)
      select = select.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("created_at", "id"), "<", tuple(after.at, after.id)),
      );
    const rows = await select.execute();
    return toPage(rows, limit, ({ created_at, id }) => ({ at: created_at, id }), toItem);
  }
}
