import { type Kysely, type Selectable, sql } from "kysely";
import type { CredentialRecord, CredentialStore } from "moleculer-service-guard";
import type { ResultOf } from "../../lib/contract/calls.ts";

interface Credentials {
  id: string;
  service: string;
  issued_at: Date;
  expires_at: Date;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

export interface CredentialDatabase {
  credentials: Credentials;
}

/** Stores which credentials were used and revoked, in the database that all guard nodes share. */
export class CredentialRepository implements CredentialStore {
  readonly #db: Kysely<CredentialDatabase>;

  constructor(db: Kysely<CredentialDatabase>) {
    this.#db = db;
  }

  async use({ id, service, issuedAt, expiresAt }: Parameters<CredentialStore["use"]>[0]) {
    const row = await this.#db
      .insertInto("credentials")
      .values({
        id,
        service,
        issued_at: issuedAt,
        expires_at: expiresAt,
        last_used_at: sql`now()`,
        revoked_at: null,
      })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ last_used_at: sql`now()` }))
      .returning("revoked_at")
      .executeTakeFirstOrThrow();
    return row.revoked_at === null;
  }

  async list(): Promise<CredentialRecord[]> {
    const rows = await this.#db
      .selectFrom("credentials")
      .selectAll()
      .orderBy("service")
      .orderBy("issued_at", "desc")
      .execute();
    return rows.map(toRecord);
  }

  async revoke(id: string): Promise<CredentialRecord | undefined> {
    const row = await this.#db
      .updateTable("credentials")
      .set({ revoked_at: sql`coalesce(revoked_at, now())` })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toRecord(row);
  }

  async revokedSince(time: Date): Promise<{ id: string; revokedAt: Date }[]> {
    const rows = await this.#db
      .selectFrom("credentials")
      .select(["id", "revoked_at"])
      .where("revoked_at", ">=", time)
      .execute();
    return rows.flatMap(({ id, revoked_at }) =>
      revoked_at ? [{ id, revokedAt: revoked_at }] : [],
    );
  }
}

const toRecord = (row: Selectable<Credentials>): CredentialRecord => ({
  id: row.id,
  service: row.service,
  issuedAt: row.issued_at,
  expiresAt: row.expires_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
});

/** A credential as the API returns it. */
export const toCredential = (record: CredentialRecord): ResultOf<"guard.revoke"> => ({
  id: record.id,
  service: record.service,
  issuedAt: record.issuedAt.toISOString(),
  expiresAt: record.expiresAt.toISOString(),
  lastUsedAt: record.lastUsedAt?.toISOString() ?? null,
  revokedAt: record.revokedAt?.toISOString() ?? null,
});
