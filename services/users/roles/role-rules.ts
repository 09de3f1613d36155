import type { Finding } from "../../../lib/contract/schemas/findings.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";
import { mustHold, mustOutrank } from "../administration/administration-rules.ts";
import type { KnownRoles } from "./known-roles.ts";
import type { RoleChanges } from "./roles-table.ts";
import type { LockedRole } from "./roles.repository.ts";
import { isBuiltIn } from "./roles.ts";

/** @throws CitadelError Conflict for the name of a built-in role */
export function mustNotBeBuiltIn(name: string): void {
  if (isBuiltIn(name))
    throw new CitadelError("Conflict", {
      message: "This is a built-in role: only a new version of the application changes it.",
    });
}

/** @throws CitadelError VALIDATION_ERROR that has a finding for each role that does not exist */
export function mustExistAll(names: readonly string[], known: KnownRoles): void {
  refuse(names, (name) => known.has(name), "roles", {
    type: "roleUnknown",
    message: "There is no such role.",
  });
}

/** @throws CitadelError VALIDATION_ERROR that has a finding for each permission that no role can have here */
export function mustBeGrantable(
  permissions: readonly string[],
  grantable: readonly string[],
): void {
  refuse(permissions, (name) => grantable.includes(name), "permissions", {
    type: "permissionNotGrantable",
    message: "There is no such permission, or no role can have it in this environment.",
  });
}

function refuse(
  values: readonly string[],
  isAccepted: (value: string) => boolean,
  field: string,
  problem: Pick<Finding, "type" | "message">,
): void {
  const data: Finding[] = values.flatMap((value, at) =>
    isAccepted(value) ? [] : [{ field: `${field}[${at}]`, ...problem }],
  );
  if (data.length > 0) throw new CitadelError("VALIDATION_ERROR", { data });
}

/** @throws CitadelError UserNotAuthorized that names a permission which the manager lacks */
export function mustHoldPermissions(
  manager: AccessTokenClaims,
  permissions: readonly string[],
): void {
  const permission = permissions.find((one) => !holds(manager, one));
  if (permission !== undefined)
    throw new CitadelError("UserNotAuthorized", { data: { permission } });
}

/**
 * Refuses a manager to change a role with permissions that the manager lacks, or one of an account that the manager may
 * not change: taking a permission away would change that account.
 *
 * @throws CitadelError UserNotAuthorized
 */
export function mustManage(manager: AccessTokenClaims, { role, holders, known }: LockedRole): void {
  mustHold(manager, [role.name], known);
  for (const holder of holders) mustOutrank(manager, holder, known);
}

/** @throws CitadelError Conflict if accounts would become staff, or stop being staff */
export function mustKeepStaff({ role, holders }: LockedRole, { staff }: RoleChanges): void {
  if (role.staff !== staff && holders.length > 0)
    throw new CitadelError("Conflict", {
      message:
        "Accounts have this role, so 'staff' cannot change. Create another role, and give it to them.",
    });
}

/** @throws CitadelError Conflict if an account has the role */
export function mustBeUnused({ holders }: LockedRole): void {
  if (holders.length > 0)
    throw new CitadelError("Conflict", {
      message: "Accounts have this role. Take it from them first.",
    });
}
