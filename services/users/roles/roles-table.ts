import type { Generated, Selectable } from "kysely";

interface RolesTable {
  name: string;
  title: string;
  permissions: string[];
  /** Whether its accounts are staff. */
  staff: boolean;
  created_at: Generated<Date>;
  /** A user's id. */
  created_by: string;
  version: Generated<number>;
}

export interface RolesDatabase {
  roles: RolesTable;
}

/** A role made at run time. */
export type RoleRow = Selectable<RolesTable>;

export type RoleChanges = Pick<RoleRow, "title" | "permissions" | "staff">;
