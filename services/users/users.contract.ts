import type { SubjectType } from "../../lib/access-token.ts";
import { defineContract } from "../../lib/contract.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/page.ts";
import { TOKEN_ANSWER } from "../auth/auth.contract.ts";
import { POST } from "../posts/posts.contract.ts";
import { ROLE_NAMES } from "./roles.ts";

const USERNAME = {
  type: "string",
  min: 3,
  max: 32,
  pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
} as const;
const EMAIL = { type: "email", mode: "precise", max: 254, normalize: true } as const;
const PASSWORD = { type: "string", min: 8, max: 72 } as const;

const ACCOUNT = { $$strict: true, username: USERNAME, email: EMAIL, password: PASSWORD } as const;

const CHANGES = {
  username: { ...USERNAME, optional: true },
  email: { ...EMAIL, optional: true },
} as const;

/** E-mail and roles are shown to the user and to those who hold users:read. */
const USER = {
  type: "object",
  props: {
    id: "uuid",
    username: "string",
    createdAt: "string",
    email: "email|optional",
    roles: { type: "array", items: "string", optional: true },
  },
} as const;

const SUBJECT_TYPES = [
  "EndUserAccount",
  "UserAccount",
  "SuperUserAccount",
] as const satisfies SubjectType[];

export const contract = defineContract({
  name: "users",
  permissions: {
    read: "See everybody's e-mail address and roles.",
    write: "Make, change and remove accounts.",
    grant: "Give and take roles.",
  },
  actions: {
    register: {
      description: "Makes an account for oneself, and signs in.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/register",
      status: 201,
      location: "/api/users/me",
      params: ACCOUNT,
      result: TOKEN_ANSWER,
    },
    login: {
      description: "Signs in, by username or e-mail address.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/login",
      params: {
        $$strict: true,
        username: "string|min:1|max:254",
        password: "string|min:1|max:1000",
      },
      result: TOKEN_ANSWER,
    },
    profile: {
      description: "One's own account.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/users/me",
      params: { $$strict: true },
      result: USER,
    },
    updateProfile: {
      description: "Changes one's own username or e-mail address.",
      restricted: ["api"],
      auth: "required",
      rest: "PATCH /api/users/me",
      params: { $$strict: true, ...CHANGES },
      result: USER,
    },
    search: {
      description: "Accounts whose username begins with the query, newest first.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/users",
      params: { $$strict: true, query: "string|optional|max:32", ...PAGE_PARAMS },
      result: pageOf(USER),
    },
    get: {
      description: "One account.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/users/:id",
      params: { $$strict: true, id: "uuid" },
      result: USER,
    },
    create: {
      description: "Makes an account for somebody.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      rest: "POST /api/users",
      status: 201,
      location: "/api/users/:id",
      params: ACCOUNT,
      result: USER,
    },
    update: {
      description: "Changes somebody's account.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      rest: "PUT /api/users/:id",
      params: {
        $$strict: true,
        id: "uuid",
        ...CHANGES,
        password: { ...PASSWORD, optional: true },
      },
      result: USER,
    },
    remove: {
      description: "Removes an account and ends its sessions.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      rest: "DELETE /api/users/:id",
      params: { $$strict: true, id: "uuid" },
      result: null,
    },
    setRoles: {
      description: "Says which roles somebody has. They hold from the next access token on.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:grant",
      proof: "request",
      rest: "PUT /api/users/:id/roles",
      params: {
        $$strict: true,
        id: "uuid",
        roles: {
          type: "array",
          items: { type: "enum", values: ROLE_NAMES },
          unique: true,
          max: ROLE_NAMES.length,
        },
      },
      result: USER,
    },
    posts: {
      description: "The posts of one user; without an id everybody's newest.",
      restricted: ["api", "posts"],
      auth: "none",
      rest: "GET /api/users/:id/posts",
      params: { $$strict: true, id: "uuid|optional", ...PAGE_PARAMS },
      result: pageOf(POST),
    },
    list: {
      description: "Ids and usernames, for anyone inside.",
      restricted: null,
      auth: "none",
      params: { $$strict: true, ...PAGE_PARAMS },
      result: pageOf({ type: "object", props: { id: "uuid", username: "string" } }),
    },
    identity: {
      description: "What an access token says of a user.",
      restricted: ["auth"],
      auth: "none",
      params: { $$strict: true, id: "uuid" },
      result: {
        type: "object",
        props: {
          id: "uuid",
          username: "string",
          email: "email",
          roles: "string[]",
          permissions: "string[]",
          subjectType: { type: "enum", values: SUBJECT_TYPES },
        },
      },
    },
  },
  emits: {
    "user.created": {
      description: "Somebody has an account now.",
      params: { $$strict: true, id: "uuid", username: "string" },
    },
    "user.removed": {
      description: "An account is gone.",
      params: { $$strict: true, id: "uuid" },
    },
  },
});

declare module "../../lib/contract.ts" {
  interface Contracts {
    users: typeof contract;
  }
}
