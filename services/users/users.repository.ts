import { randomUUID } from "node:crypto";
import { type Generated, type Kysely, type Selectable, sql } from "kysely";
import { newestFirst } from "../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../lib/contract/page.ts";
import type { SubjectType } from "../../lib/tokens/access-token.ts";
import { lastAdministrator } from "./accounts/account-rules.ts";
import {
  isAdministrator,
  linkInvalid,
  linksIn,
  lock,
  lockAddress,
  lockWithAdministrators,
  remove,
  write,
} from "./accounts/account-rows.ts";
import type { LinkPurpose, LinksDatabase, MailedLink } from "./mail/links.repository.ts";
import type { SecondFactorDatabase } from "./second-factor/second-factor.repository.ts";
import type { Period } from "./second-factor/second-factor.repository.ts";
import { mustBeFree, type Names, nameTaken } from "./accounts/unique-fields.ts";

interface Accounts {
  id: string;
  username: string;
  email: string;
  password_hash: string;
  roles: string[];
  subject_type: SubjectType;
  created_at: Generated<Date>;
  email_verified_at: Date | null;
  /** When the account got this address. */
  email_since: Generated<Date>;
  version: Generated<number>;
  /** When an account is removed whose owner registered it and never verified an address; null: never. */
  expires_at: Date | null;
}

export type Account = Selectable<Accounts>;

export interface NewAccount {
  username: string;
  email: string;
  passwordHash: string;
  roles: string[];
  subjectType: SubjectType;
  /** Left out, it does not expire. */
  expiresAt?: Date | undefined;
}

export interface Changes {
  username?: string | undefined;
  email?: string | undefined;
  passwordHash?: string | undefined;
  roles?: string[] | undefined;
  subjectType?: SubjectType | undefined;
  /** Its owner has shown to read what comes to the address. */
  emailVerified?: true;
  /**
   * What becomes of the old address, where there is another: a link gives it back, or no link gives any
   * older one back.
   */
  restorable?: "by-link" | "never";
  /** A second factor that was set up in this time ends, with its recovery codes. */
  endsFactor?: Period;
}

/** Says what is to change of an account as it is now, or refuses by throwing. It may not wait for anything. */
export type Decide = (account: Account) => Changes;

/** An account before and after a change. */
export interface Changed {
  before: Account;
  after: Account;
  /** Was there a second factor, which has ended? */
  isFactorEnded: boolean;
  /** The token of the link that gives the old address back. */
  restoringToken?: string | undefined;
}

export interface UsersDatabase extends LinksDatabase, SecondFactorDatabase {
  accounts: Accounts;
}

/** Accounts. What is decided about one is decided while nobody else changes it. */
export class UsersRepository {
  readonly #db: Kysely<UsersDatabase>;

  constructor(db: Kysely<UsersDatabase>) {
    this.#db = db;
  }

  /** @throws CitadelError Conflict where the username is taken */
  async insert(account: NewAccount): Promise<Account> {
    const { passwordHash, subjectType, expiresAt, ...rest } = account;
    return this.#db
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
      .catch(nameTaken);
  }

  /**
   * Are these free as yet?
   *
   * @param except the account that is to have them
   * @throws CitadelError Conflict
   */
  async mustBeFree(names: Names, except?: string): Promise<void> {
    await mustBeFree(this.#db, names, except);
  }

  async find(id: string): Promise<Account | undefined> {
    return this.#db.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
  }

  /** By username or e-mail address, whatever the case. */
  async findByLogin(login: string): Promise<Account | undefined> {
    const lower = login.toLowerCase();
    return this.#byEmailFirst()
      .where(({ eb, or }) =>
        or([eb(sql`lower(username)`, "=", lower), eb(sql`lower(email)`, "=", lower)]),
      )
      .executeTakeFirst();
  }

  /** Whose e-mail address this is, whatever the case: who has verified it, or else who claimed it first. */
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

  /** The other account that has verified this account's address. */
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

  /** @throws CitadelError NotFound */
  async change(id: string, decide: Decide): Promise<Changed> {
    return this.#db.transaction().execute(async (trx) => {
      const before = await lock(trx, id);
      return write(trx, before, decide(before));
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
      return write(trx, before, changes);
    });
  }

  /**
   * @param check refuses by throwing
   * @throws CitadelError NotFound; Conflict for the last administrator
   */
  async remove(id: string, check: (account: Account) => void): Promise<void> {
    await this.#db.transaction().execute((trx) => remove(trx, id, check));
  }

  /** Accounts that have expired, at most `limit`. */
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
   * Makes a link to the account's address, of which older ones end.
   *
   * @returns its token; undefined: there were enough lately
   */
  async makeLink(id: string, purpose: MailedLink): Promise<string | undefined> {
    return this.#db.transaction().execute(async (trx) => {
      await lock(trx, id);
      return linksIn(trx).make(id, purpose);
    });
  }

  /**
   * Does the work of `makeLink` for an address that nobody has, and undoes it, so that whoever asked for a
   * link cannot tell by what the database is busy with.
   */
  async rehearseLink(purpose: MailedLink): Promise<void> {
    const trx = await this.#db.startTransaction().execute();
    try {
      const nobody = randomUUID();
      await trx.selectFrom("accounts").selectAll().where("id", "=", nobody).forUpdate().execute();
      await sql`set constraints all deferred`.execute(trx);
      await linksIn(trx).make(nobody, purpose);
    } finally {
      await trx.rollback().execute();
    }
  }

  /** Whose link this is. Nothing is used up. @throws CitadelError LinkInvalid */
  async ownerOfLink(token: string, purpose: LinkPurpose): Promise<string> {
    const link = await linksIn(this.#db).find(token, purpose);
    if (!link) throw linkInvalid();
    return link.ownerId;
  }

  /**
   * Uses up a link, of many at once one time, for a change by whoever reads what comes to the account's address.
   *
   * @throws CitadelError LinkInvalid
   */
  async changeByLink(token: string, purpose: MailedLink, decide: Decide): Promise<Changed> {
    const id = await this.ownerOfLink(token, purpose);
    return this.#db.transaction().execute(async (trx) => {
      const before = await lock(trx, id);
      const holder = await lockAddress(trx, before.email, id);
      const links = linksIn(trx);
      // read again: whoever had the lock before may have ended it
      const link = await links.find(token, purpose);
      if (link?.ownerId !== id || holder !== undefined) throw linkInvalid();
      await links.end(id, [purpose]);
      return write(trx, before, { ...decide(before), emailVerified: true });
    });
  }

  /** Was this account moved to an address that it has not verified, and can that still be undone? */
  async isMoving(id: string): Promise<boolean> {
    const account = await this.find(id);
    const canBeUndone = await linksIn(this.#db).hasRestoring(id);
    return canBeUndone && account?.email_verified_at === null;
  }

  /**
   * Gives an account the address back that this link was mailed to, as it was: verified, unless somebody
   * else has verified it since, or not.
   *
   * @throws CitadelError LinkInvalid
   */
  async restoreEmail(token: string): Promise<Changed> {
    const id = await this.ownerOfLink(token, "restore-email");
    return this.#db.transaction().execute(async (trx) => {
      const before = await lock(trx, id);
      const link = await linksIn(trx).find(token, "restore-email");
      if (link?.ownerId !== id || !link.restores) throw linkInvalid();
      const { email, isVerified } = link.restores;
      const holder = await lockAddress(trx, email, id);
      const emailVerified = isVerified && holder === undefined;
      // whoever moved the account may have set one up since, which would keep the owner out
      const endsFactor = { since: link.madeAt };
      return write(trx, before, { email, endsFactor, ...(emailVerified && { emailVerified }) });
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
