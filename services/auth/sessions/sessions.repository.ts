import { randomUUID } from "node:crypto";
import { type Kysely, type Selectable, sql } from "kysely";
import type { Client } from "../../../lib/context/client.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import { newestFirst } from "../../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../../lib/contract/schemas/page.ts";
import type { AuthDatabase, Sessions } from "../tables.ts";
import { contract } from "../auth.contract.ts";
import { latestTokenExpiry, tokenExpiry } from "../tokens/expiry.ts";

/** Sessions of another tenant or environment are not found. */
export interface Realm {
  readonly tenantId: string;
  readonly environmentId: string;
}

export interface SessionsOptions extends Realm {
  /** In seconds. */
  accessTokenTtl: number;
}

/** The user who impersonates, with the session and generation of their access token. */
export interface Impersonator {
  id: string;
  username: string;
  sid: string;
  generation: number;
}

export interface NewSession {
  /** By default a random UUID. */
  id?: string;
  userId: string;
  /** Undefined: the session does not expire. */
  expiresAt?: Date;
  client?: Client | undefined;
  impersonator?: Impersonator;
}

/** How long a confirmation with the password is valid, in seconds. The message of ReauthenticationRequired states it. */
const CONFIRMED_FOR = 600;

/** A session and its user. */
export interface OwnedSession {
  id: string;
  userId: string;
  generation: number;
}

type Item = ResultOf<"auth.sessions">["items"][number];

/** The columns for the client that last used a session. */
export const columnsOf = (client: Client | undefined) => ({
  device: client?.userAgent ?? null,
  address: client?.address ?? null,
});

/** Sessions of users, impersonations, and one for each secret of a service account. */
export class SessionsRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #realm: Realm;
  readonly #accessTokenTtl: number;

  constructor(db: Kysely<AuthDatabase>, options: SessionsOptions) {
    this.#db = db;
    this.#realm = options;
    this.#accessTokenTtl = options.accessTokenTtl;
  }

  /** Throws while the database is unavailable. */
  async ping(): Promise<void> {
    await sql`select 1`.execute(this.#db);
  }

  /** @param db the transaction to use, if any @returns the session's id */
  async create(session: NewSession, db = this.#db): Promise<string> {
    const { id = randomUUID(), userId, expiresAt, client, impersonator } = session;
    const { tenantId, environmentId } = this.#realm;
    await db
      .insertInto("sessions")
      .values({
        id,
        user_id: userId,
        tenant_id: tenantId,
        environment_id: environmentId,
        expires_at: expiresAt ?? null,
        ...columnsOf(client),
        impersonator_id: impersonator?.id ?? null,
        impersonator: impersonator?.username ?? null,
        parent_id: impersonator?.sid ?? null,
        tokens_until: tokenExpiry(this.#accessTokenTtl),
      })
      .execute();
    return id;
  }

  /**
   * Creates the session of an impersonation. It ends when the impersonator's session ends.
   *
   * @returns the session's id
   * @throws CitadelError UserNotAuthorized if the impersonator's session has ended or belongs to a trusted issuer;
   * AccessTokenExpired if the impersonator's roles have changed since the token was issued
   */
  async createImpersonation(session: NewSession & { impersonator: Impersonator }): Promise<string> {
    const { sid, generation } = session.impersonator;
    return this.#db.transaction().execute(async (trx) => {
      // The update locks the impersonator's session: a transaction that ends it waits for this one, and then finds the
      // new session. A shared lock would not do: a stream of them could delay the ending transaction for ever.
      const parent = await trx
        .updateTable("sessions")
        // the row must outlive the new session
        .set({ tokens_until: latestTokenExpiry(this.#accessTokenTtl) })
        .where("id", "=", sid)
        .where("ended_at", "is", null)
        .returning("generation")
        .executeTakeFirst();
      if (!parent)
        throw new CitadelError("UserNotAuthorized", {
          message: "Impersonation needs a session of this application. Sign in here first.",
        });
      // a renewal that ran before this transaction has not revoked the new session's tokens
      if (parent.generation !== generation) throw new CitadelError("AccessTokenExpired");
      return this.create(session, trx);
    });
  }

  /** Records that a token is issued in a session. @returns whether the session is active */
  async use(id: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable("sessions")
      .set({ last_used_at: sql`now()`, tokens_until: latestTokenExpiry(this.#accessTokenTtl) })
      .where("id", "=", id)
      .where("tenant_id", "=", this.#realm.tenantId)
      .where("environment_id", "=", this.#realm.environmentId)
      .where("ended_at", "is", null)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Records that the user has just confirmed the session with the password. */
  async confirm(id: string): Promise<void> {
    await this.#db
      .updateTable("sessions")
      .set({ confirmed_at: sql`now()` })
      .where("id", "=", id)
      .execute();
  }

  /**
   * Checks that the password was given recently, so that a stolen access token is not enough to end the owner's sessions.
   *
   * @throws CitadelError ReauthenticationRequired
   */
  async mustBeConfirmed(id: string): Promise<void> {
    const row = await this.#db
      .selectFrom("sessions")
      .select("id")
      .where("id", "=", id)
      .where("confirmed_at", ">", sql<Date>`now() - make_interval(secs => ${CONFIRMED_FOR})`)
      .executeTakeFirst();
    if (!row) throw new ServiceError(contract, "ReauthenticationRequired");
  }

  /** The active sessions of a user, newest first. @param current the id of the requesting session */
  async list(userId: string, current: string, page: PageRequest) {
    const select = this.#db
      .selectFrom("sessions")
      .selectAll()
      .where("user_id", "=", userId)
      .where("tenant_id", "=", this.#realm.tenantId)
      .where("environment_id", "=", this.#realm.environmentId)
      .where("ended_at", "is", null)
      .where("expires_at", ">", sql<Date>`now()`);
    const rows = await newestFirst(select, page, "created_at", "id").execute();
    return toPage(
      rows,
      page.limit,
      ({ created_at, id }) => ({ at: created_at, id }),
      (row) => toItem(row, current),
    );
  }

  /** Deletes a session for which no token was issued. */
  async discard(id: string): Promise<void> {
    await this.#db.deleteFrom("sessions").where("id", "=", id).execute();
  }
}

const toItem = (row: Selectable<Sessions>, current: string): Item => ({
  id: row.id,
  createdAt: row.created_at.toISOString(),
  lastUsedAt: row.last_used_at.toISOString(),
  expiresAt: row.expires_at?.toISOString() ?? "",
  device: row.device,
  address: row.address,
  current: row.id === current,
  ...(row.impersonator_id !== null && {
    impersonator: { id: row.impersonator_id, username: row.impersonator ?? "" },
  }),
});
