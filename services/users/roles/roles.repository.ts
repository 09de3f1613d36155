import { type Kysely, sql, type Transaction } from "kysely";
import type { Jobs } from "../../../lib/contract/durable.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Account, UsersDatabase } from "../accounts/account.ts";
import type { contract } from "../users.contract.ts";
import { LIMITS } from "../users.limits.ts";
import { KnownRoles } from "./known-roles.ts";
import type { RoleChanges, RoleRow } from "./roles-table.ts";
import { isBuiltIn, ROLE_NAMES } from "./roles.ts";

/** What the accounts with a role have: each combination once. */
export type Holder = Pick<Account, "roles" | "subject_type">;

/** A locked role, and what decides whether it may be changed. */
export interface LockedRole {
  readonly role: RoleRow;
  readonly holders: readonly Holder[];
  /** The role itself and all roles of its holders. */
  readonly known: KnownRoles;
}

/** A change of a role, unless `decide` refuses it by throwing. Synchronous, so that the lock is held for a short time. */
type DecideRole = (locked: LockedRole) => RoleChanges;

/**
 * The roles made at run time. Giving an account a role takes a shared lock on the role's row, and changing or removing
 * the role an exclusive one: so no account gets a role that is just being removed.
 */
export class RolesRepository {
  readonly #db: Kysely<UsersDatabase>;
  readonly #jobs: Jobs<typeof contract>;
  /** The permissions that a role may have in this environment. */
  readonly grantable: readonly string[];

  constructor(
    db: Kysely<UsersDatabase>,
    jobs: Jobs<typeof contract>,
    grantable: readonly string[],
  ) {
    this.#db = db;
    this.#jobs = jobs;
    this.grantable = grantable;
  }

  /** The roles with these names, without a query if all are built in. */
  async known(names: readonly string[], db: Kysely<UsersDatabase> = this.#db): Promise<KnownRoles> {
    return this.#read(names, db);
  }

  /** The same, and no role among them is changed or removed until the transaction ends. */
  async knownLocked(names: readonly string[], trx: Transaction<UsersDatabase>) {
    return this.#read(names, trx, "locked");
  }

  async #read(
    names: readonly string[],
    db: Kysely<UsersDatabase>,
    lock?: "locked",
  ): Promise<KnownRoles> {
    const stored = [...new Set(names)].filter((name) => !isBuiltIn(name));
    if (stored.length === 0) return new KnownRoles(this.grantable, []);
    // in one order, so that two transactions do not wait for each other
    const select = db
      .selectFrom("roles")
      .select(["name", "permissions", "staff"])
      .where("name", "in", stored)
      .orderBy("name");
    return new KnownRoles(this.grantable, await (lock ? select.forShare() : select).execute());
  }

  /** All of them, without those whose names a newer version of the application has given to built-in roles. */
  async list(): Promise<RoleRow[]> {
    const roles = await this.#db.selectFrom("roles").selectAll().orderBy("name").execute();
    return roles.filter(({ name }) => !isBuiltIn(name));
  }

  /** The names of stored roles that built-in roles have, too. */
  async hidden(): Promise<string[]> {
    const rows = await this.#db
      .selectFrom("roles")
      .select("name")
      .where("name", "in", ROLE_NAMES)
      .execute();
    return rows.map(({ name }) => name);
  }

  async find(name: string): Promise<RoleRow | undefined> {
    return this.#db.selectFrom("roles").selectAll().where("name", "=", name).executeTakeFirst();
  }

  /** @throws CitadelError Conflict if the name is taken, or there are too many roles */
  async insert(role: RoleChanges & Pick<RoleRow, "name" | "created_by">): Promise<RoleRow> {
    const { max } = LIMITS.roles;
    const { count } = await this.#db
      .selectFrom("roles")
      .select(({ fn }) => fn.countAll().as("count"))
      .executeTakeFirstOrThrow();
    if (Number(count) >= max)
      throw new CitadelError("Conflict", {
        message: `There are ${max} roles, which is the most. Remove one first.`,
      });
    const inserted = await this.#db
      .insertInto("roles")
      .values(role)
      .onConflict((conflict) => conflict.column("name").doNothing())
      .returningAll()
      .executeTakeFirst();
    if (!inserted) throw new CitadelError("Conflict", { message: "There is a role of this name." });
    return inserted;
  }

  /**
   * Changes a role. If its permissions change, a job of the transaction expires the access tokens of its accounts.
   *
   * @throws CitadelError NotFound
   */
  async change(name: string, decide: DecideRole): Promise<{ before: RoleRow; after: RoleRow }> {
    return this.#db.transaction().execute(async (trx) => {
      const locked = await this.#lock(trx, name);
      const { role: before } = locked;
      const after = await trx
        .updateTable("roles")
        .set({ ...decide(locked), version: before.version + 1 })
        .where("name", "=", name)
        .returningAll()
        .executeTakeFirstOrThrow();
      if (before.permissions.toSorted().join() !== after.permissions.toSorted().join())
        await this.expireTokens(trx, { role: name });
      return { before, after };
    });
  }

  /**
   * @param check refuses by throwing, once the row is locked
   * @throws CitadelError NotFound
   */
  async remove(name: string, check: (locked: LockedRole) => void): Promise<RoleRow> {
    return this.#db.transaction().execute(async (trx) => {
      const locked = await this.#lock(trx, name);
      check(locked);
      await trx.deleteFrom("roles").where("name", "=", name).execute();
      return locked.role;
    });
  }

  async #lock(trx: Transaction<UsersDatabase>, name: string): Promise<LockedRole> {
    const role = await trx
      .selectFrom("roles")
      .selectAll()
      .where("name", "=", name)
      .forUpdate()
      .executeTakeFirst();
    if (!role) throw noSuchRole();
    const holders = await trx
      .selectFrom("accounts")
      .select(["roles", "subject_type"])
      .distinct()
      .where(hasRole(name))
      .execute();
    const names = [name, ...holders.flatMap(({ roles }) => roles)];
    return { role, holders, known: await this.known(names, trx) };
  }

  /** The ids of accounts with a role, in their order. @param after only greater ids */
  async accountsWith(name: string, limit: number, after: string | undefined): Promise<string[]> {
    let select = this.#db.selectFrom("accounts").select("id").where(hasRole(name));
    if (after !== undefined) select = select.where("id", ">", after);
    const rows = await select.orderBy("id").limit(limit).execute();
    return rows.map(({ id }) => id);
  }

  /** Expires the access tokens of the accounts with a role, in a job. @param next only the accounts after this one */
  async expireTokens(
    trx: Transaction<UsersDatabase>,
    next: { role: string; after?: string },
  ): Promise<void> {
    await this.#jobs.send(trx, "expireTokensOfRole", next);
  }

  /** Sends the job for the accounts after this one. */
  async expireMoreTokens(role: string, after: string): Promise<void> {
    await this.#db.transaction().execute((trx) => this.expireTokens(trx, { role, after }));
  }
}

/** The expression of the index accounts_roles. */
const hasRole = (name: string) => sql<boolean>`roles @> ${[name]}::text[]`;

export const noSuchRole = () => new CitadelError("NotFound", { message: "There is no such role." });
