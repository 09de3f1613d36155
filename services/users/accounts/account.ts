import type { ColumnType, Generated, Selectable } from "kysely";
import type { PEOPLE } from "../../../lib/tokens/subject-type.ts";
import type { LinksDatabase } from "../mail/links.repository.ts";
import type { KnownRoles } from "../roles/known-roles.ts";
import type { RolesDatabase } from "../roles/roles-table.ts";
import type { Period, SecondFactorDatabase } from "../second-factor/second-factor.repository.ts";

/** The kinds of account that people have. */
export type AccountSubjectType = (typeof PEOPLE)[number];

interface AccountsTable {
  id: string;
  username: string;
  email: string;
  password_hash: string;
  roles: string[];
  subject_type: AccountSubjectType;
  created_at: Generated<Date>;
  email_verified_at: Date | null;
  /** When the account got its current e-mail address. */
  email_since: Generated<Date>;
  /** The display name. */
  name: Generated<string | null>;
  tags: Generated<string[]>;
  extensions: ColumnType<Record<string, unknown> | null, string | undefined, string | null>;
  version: Generated<number>;
  /** When the account is removed unless an address is verified before; null: it never expires. */
  expires_at: Date | null;
}

/** The tables that a change of an account reads and writes. */
export interface UsersDatabase extends LinksDatabase, SecondFactorDatabase, RolesDatabase {
  accounts: AccountsTable;
}

export type Account = Selectable<AccountsTable>;

export interface NewAccount {
  username: string;
  email: string;
  passwordHash: string;
  roles: string[];
  subjectType: AccountSubjectType;
  /** Without it the account never expires. */
  expiresAt?: Date | undefined;
}

export interface AccountChanges {
  username?: string | undefined;
  email?: string | undefined;
  passwordHash?: string | undefined;
  roles?: string[] | undefined;
  subjectType?: AccountSubjectType | undefined;
  /** Null removes it. */
  name?: string | null | undefined;
  tags?: string[] | undefined;
  /** Null removes them. */
  extensions?: Record<string, unknown> | null | undefined;
  /** The owner has proved to receive mail at the address. */
  emailVerified?: true;
  /**
   * The links that restore a former address, if `email` changes: `create` makes one for the address that
   * is replaced, `revoke` revokes all that exist.
   */
  restoreLinks?: "create" | "revoke";
  /** Removes the second factor, with its recovery codes, if it was confirmed in this period. */
  removeFactorOf?: Period;
}

/**
 * Decides the changes of an account from its locked row, or refuses them by throwing. Synchronous, so that the lock is
 * held for a short time. `roles` are those of the account, as they are then.
 */
export type DecideChanges = (account: Account, roles: KnownRoles) => AccountChanges;

/** Refuses a change of an account by throwing. */
export type CheckAccount = (account: Account, roles: KnownRoles) => void;

/** An account before and after a change. */
export interface ChangedAccount {
  before: Account;
  after: Account;
  isFactorRemoved: boolean;
  /** The id of the link that restores the former address, if one was created. */
  restoreLinkId?: string | undefined;
}
