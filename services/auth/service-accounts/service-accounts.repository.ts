import { randomUUID, timingSafeEqual } from "node:crypto";
import type { Kysely, Selectable } from "kysely";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { newestFirst } from "../../../lib/database/newest-first.ts";
import { hashOfToken } from "../../../lib/tokens/opaque-token.ts";
import { type PageRequest, toPage } from "../../../lib/contract/page.ts";
import type { SessionsRepository } from "../sessions/sessions.repository.ts";
import type { AuthDatabase, ServiceAccounts } from "../tables.ts";

export interface ServiceAccount {
  id: string;
  name: string;
  permissions: string[];
  /** The session of its secret. */
  sid: string;
}

export interface NewServiceAccount {
  name: string;
  permissions: string[];
  /** A user's id. */
  createdBy: string;
}

type Item = ResultOf<"auth.serviceAccounts">["items"][number];

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** What the secret of nobody is compared with, so that it takes as long. */
const NOBODY = hashOfToken("");

/** Programs that act for themselves; their secrets as hashes. */
export class ServiceAccountsRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #sessions: SessionsRepository;

  constructor(db: Kysely<AuthDatabase>, sessions: SessionsRepository) {
    this.#db = db;
    this.#sessions = sessions;
  }

  async create({ name, permissions, createdBy }: NewServiceAccount, secret: string): Promise<Item> {
    const id = randomUUID();
    return this.#db.transaction().execute(async (trx) => {
      // its first session has its own id
      const sid = await this.#sessions.create({ id, userId: id }, trx);
      const row = await trx
        .insertInto("service_accounts")
        .values({
          id,
          name,
          permissions,
          created_by: createdBy,
          secret_hash: hashOfToken(secret),
          session_id: sid,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      return toItem({ ...row, last_used_at: row.created_at });
    });
  }

  async find(id: string): Promise<ServiceAccount | undefined> {
    const row = await this.#find(id);
    return row && toAccount(row);
  }

  async #find(id: string) {
    if (!UUID.test(id)) return undefined;
    return this.#db
      .selectFrom("service_accounts")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirst();
  }

  /**
   * Lets in who knows the secret, and notes that it was used.
   *
   * @returns `account`: who has this id, if anybody; `isProved`: is this the secret?
   */
  async authenticate(
    id: string,
    secret: string,
  ): Promise<{ account: ServiceAccount | undefined; isProved: boolean }> {
    const row = await this.#find(id);
    const isEqual = timingSafeEqual(
      Buffer.from(row?.secret_hash ?? NOBODY),
      Buffer.from(hashOfToken(secret)),
    );
    if (!row) return { account: undefined, isProved: false };
    return {
      account: toAccount(row),
      isProved: isEqual && (await this.#sessions.use(row.session_id)),
    };
  }

  /** Newest first. */
  async list(page: PageRequest) {
    const select = this.#db
      .selectFrom("service_accounts as account")
      .innerJoin("sessions as session", "session.id", "account.session_id")
      .selectAll("account")
      .select("session.last_used_at");
    const rows = await newestFirst(select, page, "account.created_at", "account.id").execute();
    return toPage(rows, page.limit, ({ created_at, id }) => ({ at: created_at, id }), toItem);
  }

  /**
   * Gives it another secret, with a session of its own. The old one's has to be ended before.
   *
   * @throws CitadelError Conflict if somebody else was faster
   */
  async changeSecret({ id, sid }: ServiceAccount, secret: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const next = await this.#sessions.create({ userId: id }, trx);
      const { numUpdatedRows } = await trx
        .updateTable("service_accounts")
        .set({ secret_hash: hashOfToken(secret), session_id: next })
        .where("id", "=", id)
        .where("session_id", "=", sid)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) throw changedMeanwhile();
    });
  }

  /** Its secret's session has to be ended before. @throws CitadelError Conflict if somebody else was faster */
  async remove({ id, sid }: ServiceAccount): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom("service_accounts")
      .where("id", "=", id)
      .where("session_id", "=", sid)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw changedMeanwhile();
  }
}

const changedMeanwhile = () =>
  new CitadelError("Conflict", { message: "Somebody else has changed this just now. Look again." });

const toAccount = ({ id, name, permissions, session_id }: Selectable<ServiceAccounts>) => ({
  id,
  name,
  permissions,
  sid: session_id,
});

const toItem = (row: Selectable<ServiceAccounts> & { last_used_at: Date }): Item => ({
  id: row.id,
  name: row.name,
  permissions: row.permissions,
  createdAt: row.created_at.toISOString(),
  createdBy: row.created_by,
  lastUsedAt: row.last_used_at.toISOString(),
});
