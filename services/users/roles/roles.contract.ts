import { route } from "../../../lib/contract/route.ts";
import { pageOf } from "../../../lib/contract/schemas/page.ts";
import { VERSION } from "../../../lib/contract/schemas/version.ts";
import { STAFF } from "../../../lib/tokens/subject-type.ts";

/** The most roles of one account. */
const MAX_ROLES = 20;

const ROLE_NAME = {
  type: "string",
  pattern: /^[a-z][a-z0-9-]{1,39}$/,
  messages: {
    stringPattern: "Must be 2 to 40 lower-case letters, digits and '-', and begin with a letter.",
  },
} as const;

/** The roles that an account gets. */
export const GIVEN_ROLES = {
  type: "array",
  items: ROLE_NAME,
  unique: true,
  max: MAX_ROLES,
} as const;

const TITLE = { type: "string", min: 1, max: 100, trim: true } as const;

const PERMISSIONS = {
  type: "array",
  items: "string|max:100",
  unique: true,
  max: 500,
} as const;

const ROLE = {
  type: "object",
  name: "Role",
  props: {
    name: "string",
    title: "string",
    permissions: "string[]",
    /** Whether its accounts are staff. */
    staff: "boolean",
    builtIn: "boolean",
    createdAt: "string|optional",
    /** A user's id. */
    createdBy: "uuid|optional",
    /** The number of changes, starting at 1; left out for a built-in role. */
    version: "number|optional",
  },
} as const;

const PERMISSION = {
  type: "object",
  name: "Permission",
  props: {
    name: "string",
    title: "string",
    description: "string",
    usedForDevelopment: "boolean|optional",
    usedByManagedServiceOnly: "boolean|optional",
    /** Whether a role can have it in this environment. */
    grantable: "boolean",
  },
} as const;

const READERS = {
  auth: "required",
  permissions: ["users:roles", "users:grant"],
  subjects: STAFF,
} as const;

const MANAGERS = { auth: "required", permissions: "users:roles", subjects: STAFF } as const;

/** The actions with which staff manage roles. */
export const ROLE_ACTIONS = {
  permissions: route({
    rest: "GET /api/permissions",
    description: "All permissions, and which of them a role can have in this environment.",
    ...READERS,
    params: {},
    result: pageOf(PERMISSION),
  }),
  roles: route({
    rest: "GET /api/roles",
    description: "All roles with their permissions, the built-in ones first.",
    ...READERS,
    params: {},
    result: pageOf(ROLE),
  }),
  role: route({
    rest: "GET /api/roles/:name",
    description: "A role.",
    ...READERS,
    etag: "version",
    params: { name: ROLE_NAME },
    result: ROLE,
  }),
  createRole: route({
    rest: "POST /api/roles",
    description:
      "Creates a role with permissions that the caller holds. With `staff`, its accounts are staff.",
    ...MANAGERS,
    status: 201,
    idempotent: true,
    location: "/api/roles/:name",
    params: {
      name: ROLE_NAME,
      title: TITLE,
      permissions: PERMISSIONS,
      staff: { type: "boolean", default: false },
    },
    result: ROLE,
    errors: ["Conflict"],
  }),
  changeRole: route({
    rest: "PUT /api/roles/:name",
    description:
      "Changes a role. The caller must hold its permissions, before and after, and those of every account that has it. " +
      "The access tokens of these accounts expire within seconds.",
    ...MANAGERS,
    etag: "version",
    params: {
      name: ROLE_NAME,
      title: TITLE,
      permissions: PERMISSIONS,
      staff: "boolean",
      version: VERSION,
    },
    result: ROLE,
    errors: ["Conflict"],
  }),
  removeRole: route({
    rest: "DELETE /api/roles/:name",
    description: "Removes a role that no account has.",
    ...MANAGERS,
    etag: "version",
    params: { name: ROLE_NAME, version: VERSION },
    result: null,
    errors: ["Conflict"],
  }),
} as const;

/** The jobs that follow a change of a role. */
export const ROLE_JOBS = {
  expireTokensOfRole: {
    description:
      "Expires the access tokens of the accounts with a role whose permissions have changed, 500 accounts in each job.",
    params: {
      role: "string",
      /** Only accounts whose ids are greater. */
      after: "uuid|optional",
    },
    retry: { limit: 20, delay: 1_000, maxDelay: 60_000 },
  },
} as const;
