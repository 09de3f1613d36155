import {
  type DefinedPermission,
  definedPermissions,
  isGrantable,
} from "../../../lib/access/grantable.ts";
import type { ResultOf } from "../../../lib/contract/calls.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { audit } from "../../../middlewares/audit.ts";
import type { Components, UsersActions, UsersJobs } from "../components.ts";
import {
  mustBeGrantable,
  mustBeUnused,
  mustHoldPermissions,
  mustKeepStaff,
  mustManage,
  mustNotBeBuiltIn,
} from "./role-rules.ts";
import type { RoleRow } from "./roles-table.ts";
import { noSuchRole } from "./roles.repository.ts";
import { isBuiltIn, permissionsOfRoles, ROLE_NAMES, ROLE_TITLES, STAFF_ROLES } from "./roles.ts";

type ShownRole = ResultOf<"users.role">;

/** How many accounts one job expires the tokens of: what `auth.renewSessions` takes at once. */
const BATCH = 500;

/** The actions with which staff manage roles. */
export function roleActions(
  contracts: ReadonlyMap<string, ServiceContract>,
  environment: { readonly production: boolean },
  components: Components<"roles">,
): UsersActions<"permissions" | "roles" | "role" | "createRole" | "changeRole" | "removeRole"> {
  const permissions = definedPermissions(contracts).map((one: DefinedPermission) => ({
    ...one,
    grantable: isGrantable(one, "role", environment),
  }));

  const builtInRole = (name: keyof typeof ROLE_TITLES): ShownRole => ({
    name,
    title: ROLE_TITLES[name],
    permissions: permissionsOfRoles([name], components().roles.grantable),
    staff: STAFF_ROLES.includes(name),
    builtIn: true,
  });

  return {
    permissions: async () => ({ items: permissions, nextCursor: null }),

    roles: async () => {
      const stored = await components().roles.list();
      const items = [...ROLE_NAMES.map(builtInRole), ...stored.map(toShown)];
      return { items, nextCursor: null };
    },

    role: async (ctx) => {
      const { name } = ctx.params;
      if (isBuiltIn(name)) return builtInRole(name);
      const role = await components().roles.find(name);
      if (!role) throw noSuchRole();
      return toShown(role);
    },

    createRole: async (ctx) => {
      const { roles } = components();
      const { sub: createdBy } = ctx.locals.user;
      mustNotBeBuiltIn(ctx.params.name);
      mustBeGrantable(ctx.params.permissions, roles.grantable);
      mustHoldPermissions(ctx.locals.user, ctx.params.permissions);
      const role = await roles.insert({ ...ctx.params, created_by: createdBy });
      const data = { role: role.name, permissions: role.permissions };
      audit(ctx, { event: "role.created", data });
      return toShown(role);
    },

    changeRole: async (ctx) => {
      const { roles } = components();
      const { user } = ctx.locals;
      const { name, version, ...changes } = ctx.params;
      mustNotBeBuiltIn(name);
      mustBeGrantable(changes.permissions, roles.grantable);
      mustHoldPermissions(user, changes.permissions);
      const { before, after } = await roles.change(name, (locked) => {
        mustManage(user, locked);
        mustBeVersion(locked.role, version);
        mustKeepStaff(locked, changes);
        return changes;
      });
      const data = { role: name, before: before.permissions, after: after.permissions };
      audit(ctx, { event: "role.changed", data });
      return toShown(after);
    },

    removeRole: async (ctx) => {
      const { name, version } = ctx.params;
      mustNotBeBuiltIn(name);
      const { permissions: before } = await components().roles.remove(name, (locked) => {
        mustManage(ctx.locals.user, locked);
        mustBeVersion(locked.role, version);
        mustBeUnused(locked);
      });
      audit(ctx, { event: "role.removed", data: { role: name, permissions: before } });
    },
  };
}

/** The job that makes a change of a role felt. */
export const roleJobs = (components: Components<"roles">): UsersJobs<"expireTokensOfRole"> => ({
  expireTokensOfRole: async (ctx) => {
    const { roles } = components();
    const { role, after } = ctx.params;
    const userIds = await roles.accountsWith(role, BATCH, after);
    const last = userIds.at(-1);
    if (last === undefined) return;
    await ctx.call("auth.renewSessions", { userIds });
    if (userIds.length === BATCH) await roles.expireMoreTokens(role, last);
  },
});

function mustBeVersion(role: RoleRow, version: number | undefined): void {
  if (version !== undefined && version !== role.version)
    throw new CitadelError("PreconditionFailed");
}

const toShown = (role: RoleRow): ShownRole => ({
  name: role.name,
  title: role.title,
  permissions: role.permissions,
  staff: role.staff,
  builtIn: false,
  createdAt: role.created_at.toISOString(),
  createdBy: role.created_by,
  version: role.version,
});
