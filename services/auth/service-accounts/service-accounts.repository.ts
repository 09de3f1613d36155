import { randomUUID, timingSafeEqual } from "node:crypto";
import type { Kysely, Selectable } from "kysely";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { newestFirst } from "../../../lib/database/newest-first.ts";
import { hashOfToken } from "../../../lib/tokens/opaque-token.ts";
import { type PageRequest, toPage } from "../../../lib/contract/schemas/page.ts";
import type { SessionsRepository } from "../sessions/sessions.repository.ts";
import type { AuthDatabase, ProgramSubjectType, ServiceAccounts } from "../tables.ts";

export interface ServiceAccount {
  id: string;
  name: string;
  permissions: string[];
  subjectType: ProgramSubjectType;
  /** The session of its current secret. */
  sid: string;
}

export interface NewServiceAccount {
  name: string;
  permissions: string[];
  subjectType: ProgramSubjectType;
  /** A user's id. */
  createdBy: string;
}

type Item = ResultOf<"auth.serviceAccounts">["items"][number];

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Compared with the secret for an unknown id, so that the response takes as long as for a known one. */
const DUMMY_HASH = hashOfToken("");

/** The accounts of programs. Secrets are stored as hashes. */
export class ServiceAccountsRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #sessions: SessionsRepository;

  constructor(db: Kysely<AuthDatabase>, sessions: SessionsRepository) {
    this.#db = db;
    this.#sessions = sessions;
  }

  async create(
    { name, permissions, subjectType, createdBy }: NewServiceAccount,
    secret: string,
  ): Promise<Item> {
    const id = randomUUID();
    return this.#db.transaction().execute(async (trx) => {
      // the session of the first secret has the account's id
      const sid = await this.#sessions.create({ id, userId: id }, trx);
      const row = await trx
        .insertInto("service_accounts")
        .values({
          id,
          name,
          permissions,
          subject_type: subjectType,
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
   * Compares a secret, and records its use.
   *
   * @returns `account`: the account with this id; `isAuthenticated`: whether the secret is right and its session active
   */
  async authenticate(
    id: string,
    secret: string,
  ): Promise<{ account: ServiceAccount | undefined; isAuthenticated: boolean }> {
    const row = await this.#find(id);
    const isEqual = timingSafeEqual(
      Buffer.from(row?.secret_hash ?? DUMMY_HASH),
      Buffer.from(hashOfToken(secret)),
    );
    if (!row) return { account: undefined, isAuthenticated: false };
    return {
      account: toAccount(row),
      isAuthenticated: isEqual && (await this.#sessions.use(row.session_id)),
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
   * Replaces the secret, with a new session. End the session of the old secret first.
   *
   * @throws CitadelError Conflict if the account was changed concurrently
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
      if (numUpdatedRows === 0n) throw changedConcurrently();
    });
  }

  /** End the session of its secret first. @throws CitadelError Conflict if the account was changed concurrently */
  async remove({ id, sid }: ServiceAccount): Promise<void> {
    const { numDeletedRows } = await this.#db
      .deleteFrom("service_accounts")
      .where("id", "=", id)
      .where("session_id", "=", sid)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) throw changedConcurrently();
  }
}

const changedConcurrently = () =>
  new CitadelError("Conflict", {
    message: "The service account was changed by another request. Read it again.",
  });

const toAccount = ({
  id,
  name,
  permissions,
  subject_type,
  session_id,
}: Selectable<ServiceAccounts>) => ({
  id,
  name,
  permissions,
  subjectType: subject_type,
  sid: session_id,
});

const toItem = (row: Selectable<ServiceAccounts> & { last_used_at: Date }): Item => ({
  id: row.id,
  name: row.name,
  permissions: row.permissions,
  subjectType: row.subject_type,
  createdAt: row.created_at.toISOString(),
  createdBy: row.created_by,
  lastUsedAt: row.last_used_at.toISOString(),
});
