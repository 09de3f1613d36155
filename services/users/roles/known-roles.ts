import { isBuiltIn, permissionsOfRoles, STAFF_ROLES } from "./roles.ts";

/** A role made at run time, as far as it decides what its accounts may do. */
export interface StoredRole {
  readonly name: string;
  readonly permissions: readonly string[];
  readonly staff: boolean;
}

/** The built-in roles, and the run-time roles that were read from the database. A role that does not exist grants nothing. */
export class KnownRoles {
  readonly #grantable: readonly string[];
  readonly #stored: ReadonlyMap<string, StoredRole>;

  /** @param grantable the permissions that a role may have in this environment */
  constructor(grantable: readonly string[], stored: readonly StoredRole[]) {
    this.#grantable = grantable;
    this.#stored = new Map(stored.map((role) => [role.name, role]));
  }

  /** A built-in role takes the place of a stored one with its name. */
  #find(name: string): StoredRole | undefined {
    return isBuiltIn(name) ? undefined : this.#stored.get(name);
  }

  has(name: string): boolean {
    return isBuiltIn(name) || this.#stored.has(name);
  }

  /** The permissions of these roles together: those that a role may have in this environment. */
  permissionsOf(names: readonly string[]): string[] {
    const stored = new Set(names.flatMap((name) => this.#find(name)?.permissions ?? []));
    const builtIn = permissionsOfRoles(names, this.#grantable);
    return this.#grantable.filter((name) => stored.has(name) || builtIn.includes(name)).toSorted();
  }

  /** Whether one of these roles makes its accounts staff. */
  areStaff(names: readonly string[]): boolean {
    return names.some((name) => STAFF_ROLES.includes(name) || this.#find(name)?.staff === true);
  }
}
