import {
  definedPermissions,
  type Grantee,
  grantablePermissions,
} from "../../../lib/access/grantable.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { isEnvironmentAdmin } from "../../../lib/tokens/subject-type.ts";
import { mustHoldAll } from "../sessions/delegation.ts";

/** A program's account. */
export type ServiceAccountType = Exclude<Grantee, "role">;

/** Which permissions a user may give to a service account. */
export class ServiceAccountGrants {
  readonly #grantable: Readonly<Record<ServiceAccountType, readonly string[]>>;
  /** Permissions for managed services only. No role has them, so that nobody holds them. */
  readonly #managedOnly: ReadonlySet<string>;

  constructor(
    contracts: ReadonlyMap<string, ServiceContract>,
    environment: { readonly production: boolean },
  ) {
    const grantableTo = (type: ServiceAccountType) =>
      grantablePermissions(contracts, type, environment);
    this.#grantable = {
      ServiceAccount: grantableTo("ServiceAccount"),
      ManagedServiceAccount: grantableTo("ManagedServiceAccount"),
      EndUserApplication: grantableTo("EndUserApplication"),
    };
    this.#managedOnly = new Set(
      definedPermissions(contracts)
        .filter(({ usedByManagedServiceOnly }) => usedByManagedServiceOnly)
        .map(({ name }) => name),
    );
  }

  /**
   * Refuses a user who lacks one of these permissions. Those for managed services only, which nobody holds, need an
   * administrator of the environment.
   *
   * @throws CitadelError UserNotAuthorized
   */
  mustHold(user: AccessTokenClaims, permissions: readonly string[]): void {
    const isExempt = isEnvironmentAdmin(user);
    mustHoldAll(
      user,
      permissions.filter((name) => !(isExempt && this.#managedOnly.has(name))),
    );
  }

  /** @throws CitadelError VALIDATION_ERROR with a finding for each permission that no account of this type can have here */
  mustBeGrantable(permissions: readonly string[], type: ServiceAccountType): void {
    const data = permissions.flatMap((name, at) =>
      this.#grantable[type].includes(name)
        ? []
        : [
            {
              field: `permissions[${at}]`,
              type: "permissionNotGrantable",
              message: `No ${type} can have this permission in this environment.`,
            },
          ],
    );
    if (data.length > 0) throw new CitadelError("VALIDATION_ERROR", { data });
  }
}
