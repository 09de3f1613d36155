import { randomUUID } from "node:crypto";
import { type Kysely, type Selectable, sql } from "kysely";
import type { Client } from "../../../lib/context/client.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import { newestFirst } from "../../../lib/database/newest-first.ts";
import { type PageRequest, toPage } from "../../../lib/contract/page.ts";
import type { AuthDatabase, Sessions } from "../tables.ts";
import { newestTokenEnd, tokenEnd } from "../tokens/token-life.ts";
import { contract } from "../auth.contract.ts";

/** What sessions are bound to: those of another tenant or environment are none here. */
export interface Realm {
  readonly tenantId: string;
  readonly environmentId: string;
}

export interface SessionsOptions extends Realm {
  /** In seconds. */
  accessTokenTtl: number;
}

/** Who acts in a user's name, and in which session of their own: as their token says. */
export interface Impersonator {
  id: string;
  username: string;
  sid: string;
  generation: number;
}

export interface NewSession {
  /** Left out, one is made up. */
  id?: string;
  userId: string;
  /** Left out, it lives until it is ended. */
  expiresAt?: Date;
  client?: Client | undefined;
  impersonator?: Impersonator;
}

/** For how long a session may end others after the password was given in it, in seconds (lib/errors/errors.ts says it). */
const CONFIRMED_FOR = 600;

/** A session and whose it is. */
export interface OwnedSession {
  id: string;
  userId: string;
  generation: number;
}

type Item = ResultOf<"auth.sessions">["items"][number];

/** Where a session was used from. */
export const columnsOf = (client: Client | undefined) => ({
  device: client?.userAgent ?? null,
  address: client?.address ?? null,
});

/** Sessions: of users, of impersonators, and one for each secret of a service account. */
export class SessionsRepository {
  readonly #db: Kysely<AuthDatabase>;
  readonly #realm: Realm;
  readonly #accessTokenTtl: number;

  constructor(db: Kysely<AuthDatabase>, options: SessionsOptions) {
    this.#db = db;
    this.#realm = options;
    this.#accessTokenTtl = options.accessTokenTtl;
  }

  /** Fails while the database cannot be reached. */
  async ping(): Promise<void> {
    await sql`select 1`.execute(this.#db);
  }

  /** @param db the transaction, if it is part of one @returns its id */
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
        tokens_until: tokenEnd(this.#accessTokenTtl),
      })
      .execute();
    return id;
  }

  /**
   * Creates a session in which somebody acts in another's name. It ends with the one that they have.
   *
   * @returns its id
   * @throws CitadelError UserNotAuthorized: theirs has ended, or is none of ours; AccessTokenExpired: what
   * their token says of them is not so any more
   */
  async createWithin(session: NewSession & { impersonator: Impersonator }): Promise<string> {
    const { sid, generation } = session.impersonator;
    return this.#db.transaction().execute(async (trx) => {
      // who ends theirs waits, and then finds this one. Who begins another waits, too: locks that are
      // shared could follow each other for ever, and who ends theirs would never come through
      const parent = await trx
        .updateTable("sessions")
        // it is not forgotten before this one
        .set({ tokens_until: newestTokenEnd(this.#accessTokenTtl) })
        .where("id", "=", sid)
        .where("ended_at", "is", null)
        .returning("generation")
        .executeTakeFirst();
      if (!parent)
        throw new CitadelError("UserNotAuthorized", {
          message: "Sign in here first: it takes a session that can be ended.",
        });
      // who calls its tokens back has passed already, and would not find this one
      if (parent.generation !== generation) throw new CitadelError("AccessTokenExpired");
      return this.create(session, trx);
    });
  }

  /** Notes that a living session is used, for a token. @returns is it one? */
  async use(id: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#db
      .updateTable("sessions")
      .set({ last_used_at: sql`now()`, tokens_until: newestTokenEnd(this.#accessTokenTtl) })
      .where("id", "=", id)
      .where("tenant_id", "=", this.#realm.tenantId)
      .where("environment_id", "=", this.#realm.environmentId)
      .where("ended_at", "is", null)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  /** Notes that its user has just given the password in it. */
  async confirm(id: string): Promise<void> {
    await this.#db
      .updateTable("sessions")
      .set({ confirmed_at: sql`now()` })
      .where("id", "=", id)
      .execute();
  }

  /**
   * Who holds a stolen access token alone shall not end the owner's sessions.
   *
   * @throws CitadelError ReauthenticationRequired: the password was given too long ago in this session
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

  /** The living sessions of a user, newest first. @param current the one that asks */
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

  /** A session whose user nobody knows, as if it had never been. */
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
