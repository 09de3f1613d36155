import { type Kysely, type Selectable, sql } from "kysely";
import type { ResultOf } from "../../lib/contract.ts";
import type { Claims } from "../../lib/tokens/jwt.ts";

interface Credentials {
  id: string;
  service: string;
  issued_at: Date;
  expires_at: Date;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

type Credential = ResultOf<"guard.revoke">;

const toCredential = (row: Selectable<Credentials>): Credential => ({
  id: row.id,
  service: row.service,
  issuedAt: row.issued_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  lastUsedAt: row.last_used_at?.toISOString() ?? null,
  revokedAt: row.revoked_at?.toISOString() ?? null,
});

export interface GuardDatabase {
  credentials: Credentials;
}

/** What the guard knows of credentials: when they were used, and which are revoked. */
export class GuardRepository {
  readonly #db: Kysely<GuardDatabase>;

  constructor(db: Kysely<GuardDatabase>) {
    this.#db = db;
  }

  /** Notes that a credential is used. @returns is it still good? */
  async use({ jti, sub, iat, exp }: Claims): Promise<boolean> {
    const row = await this.#db
      .insertInto("credentials")
      .values({
        id: jti,
        service: sub,
        issued_at: new Date(iat * 1000),
        expires_at: new Date(exp * 1000),
        last_used_at: sql`now()`,
        revoked_at: null,
      })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ last_used_at: sql`now()` }))
      .returning("revoked_at")
      .executeTakeFirstOrThrow();
    return row.revoked_at === null;
  }

  async list(): Promise<Credential[]> {
    const rows = await this.#db
      .selectFrom("credentials")
      .selectAll()
      .orderBy("service")
      .orderBy("issued_at", "desc")
      .execute();
    return rows.map(toCredential);
  }

  async revoke(id: string): Promise<Credential | undefined> {
    const row = await this.#db
      .updateTable("credentials")
      .set({ revoked_at: sql`coalesce(revoked_at, now())` })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirst();
    return row && toCredential(row);
  }
}
