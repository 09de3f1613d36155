import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import { CitadelError } from "../../lib/errors.ts";
import { newestFirst } from "../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../lib/page.ts";
import type { SubjectType } from "../../lib/tokens/access-token.ts";
import { keptOnMove, recoveryAddressOf } from "./recovery-address.ts";
import { findTaken, mustBeFree, type Names, nameTaken } from "./taken-names.ts";
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
  /** Who asks is its owner beyond doubt: no older address is a way back. */
  endsRecovery?: boolean;
}

/** Says what is to change of an account as it is now, or refuses by throwing. It may not wait for anything. */
export type Decide = (account: Account) => Changes;

/** An account before and after a change. */
export interface Changed {
  before: Account;
  after: Account;
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
    const values = { ...account, password_hash: passwordHash, subject_type: subjectType };
    return this.#db.transaction().execute(async (trx) => {
      const inserted = await trx
        .insertInto("accounts")
        .values({ ...values, id: randomUUID() })
        .returningAll()
        .executeTakeFirstOrThrow()
        .catch(nameTaken);
      await mustBeFree(trx, inserted, inserted.id);
      return inserted;
    });
  }

  /** Are these free as yet? Of several who want them at once the insert decides. @throws CitadelError Conflict */
  async mustBeFree(names: Names): Promise<void> {
    await mustBeFree(this.#db, names);
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
    return this.#db
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

  /**
   * Makes a link of which older ones end.
   *
   * @returns its token, and where it is to be mailed; undefined: there were enough lately
   */
  async makeLink(
    id: string,
    purpose: LinkPurpose,
  ): Promise<{ token: string; to: string } | undefined> {
    return this.#db.transaction().execute(async (trx) => {
      const account = await lock(trx, id);
      const link = await linksIn(trx).make(id, purpose);
      return link && { token: link.token, to: addressFor(purpose, account, link.madeAt) };
    });
  }

  /** Whose link this is. Nothing is used up. @throws CitadelError LinkInvalid */
  async ownerOfLink(token: string, purpose: LinkPurpose): Promise<string> {
    const link = await linksIn(this.#db).find(token, purpose);
    if (!link) throw new CitadelError("LinkInvalid");
    return link.ownerId;
  }

  /**
   * Uses up a link, of many at once one time, for this change.
   *
   * @param decide is told where the link was mailed; undefined where that is somebody else's by now
   * @throws CitadelError LinkInvalid
   */
  async changeByLink(
    token: string,
    purpose: LinkPurpose,
    decide: (mailedTo: string | undefined) => Changes,
  ): Promise<Changed> {
    const id = await this.ownerOfLink(token, purpose);
    return this.#db.transaction().execute(async (trx) => {
      const before = await lock(trx, id);
      const links = linksIn(trx);
      const link = await links.find(token, purpose);
      if (link?.ownerId !== id) throw new CitadelError("LinkInvalid");
      await links.end(id, [purpose]);
      const mailedTo = addressFor(purpose, before, link.madeAt);
      const isOthers = (await findTaken(trx, { email: mailedTo }, id)) !== undefined;
      return { before, after: await write(trx, before, decide(isOthers ? undefined : mailedTo)) };
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

/** Where a link is mailed that was made at this time: every move since has ended it. */
const addressFor = (purpose: LinkPurpose, account: Account, madeAt: Date) =>
  purpose === "reset-password" ? recoveryAddressOf(account, madeAt) : account.email;

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
  const { username, email, passwordHash, roles, subjectType, emailVerified, endsRecovery } =
    changes;
  const isMoved = email !== undefined && email !== before.email;
  const verifiedBefore = isMoved ? null : before.email_verified_at;
  const values = {
    ...(isMoved && keptOnMove(before)),
    ...(endsRecovery && { recovery_email: null, recovery_until: null }),
    username,
    email,
    password_hash: passwordHash,
    roles,
    subject_type: subjectType,
    email_verified_at: emailVerified ? (verifiedBefore ?? new Date()) : isMoved ? null : undefined,
  };
  if (isMoved) await linksIn(trx).end(before.id, ["reset-password", "verify-email"]);
  else if (passwordHash) await linksIn(trx).end(before.id, ["reset-password"]);
  if (Object.values(values).every((value) => value === undefined)) return before;
  const after = await trx
    .updateTable("accounts")
    .set({ ...values, version: before.version + 1 })
    .where("id", "=", before.id)
    .returningAll()
    .executeTakeFirstOrThrow()
    .catch(nameTaken);
  if (isMoved) await mustBeFree(trx, { email }, before.id);
  return after;
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
