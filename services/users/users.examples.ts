import type { Examples } from "../../lib/contract/examples.ts";
import { SubjectType } from "../../lib/tokens/subject-type.ts";
import { TOKEN_EXAMPLE } from "../../lib/tokens/token-response.ts";
import { POSTS_EXAMPLE } from "../posts/posts.examples.ts";
import type { contract } from "./users.contract.ts";

const ID = TOKEN_EXAMPLE.user.id;

const USER_EXAMPLE = {
  id: ID,
  username: "alice",
  createdAt: "2026-11-21T22:31:04.118Z",
  email: "alice@example.com",
  roles: ["user"],
  subjectType: SubjectType.EndUserAccount,
  version: 1,
};

const ACCOUNT_EXAMPLE = {
  username: "alice",
  email: "alice@example.com",
  password: "correct horse battery",
};

const NEW_PASSWORD = "a lighthouse in the fog";

const LINK_TOKEN_EXAMPLE = "Wm3kZ0r5cYtU8hQn1bVxJe6SgLpDfAo2iRw9TqMvK4E";

const ROLE_EXAMPLE = {
  name: "support",
  title: "Support",
  permissions: ["users:read"],
  staff: true,
  builtIn: false,
  createdAt: "2026-11-21T22:31:04.118Z",
  createdBy: ID,
  version: 1,
};

const ROLE_PARAMS = { title: "Support", permissions: ["users:read"], staff: true };

const RECOVERY_CODES_EXAMPLE = { recoveryCodes: ["K7QM-2XWD-9RTA", "H4VN-8CJP-3YEZ"] };

/** For the OpenAPI document. */
export const examples: Examples<typeof contract> = {
  register: { params: ACCOUNT_EXAMPLE, result: TOKEN_EXAMPLE },
  login: {
    params: { username: "alice", password: "correct horse battery" },
    result: TOKEN_EXAMPLE,
  },
  confirm: { params: { currentPassword: ACCOUNT_EXAMPLE.password } },
  secondFactor: { result: { enabled: true, recoveryCodesLeft: 10 } },
  proposeSecondFactor: {
    params: { password: ACCOUNT_EXAMPLE.password },
    result: {
      secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
      uri: "otpauth://totp/localhost:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=localhost",
    },
  },
  confirmSecondFactor: { params: { otp: "492039" }, result: RECOVERY_CODES_EXAMPLE },
  renewRecoveryCodes: {
    params: { password: ACCOUNT_EXAMPLE.password, otp: "492039" },
    result: RECOVERY_CODES_EXAMPLE,
  },
  disableSecondFactor: { params: { password: ACCOUNT_EXAMPLE.password, otp: "492039" } },
  removeSecondFactor: { params: { id: ID } },
  changePassword: {
    params: {
      currentPassword: ACCOUNT_EXAMPLE.password,
      newPassword: NEW_PASSWORD,
    },
  },
  forgotPassword: { params: { email: ACCOUNT_EXAMPLE.email } },
  resetPassword: { params: { token: LINK_TOKEN_EXAMPLE, newPassword: NEW_PASSWORD } },
  verifyEmail: { params: { token: LINK_TOKEN_EXAMPLE } },
  restoreEmail: { params: { token: LINK_TOKEN_EXAMPLE } },
  profile: { result: USER_EXAMPLE },
  updateProfile: {
    params: { email: "alice@example.org", currentPassword: ACCOUNT_EXAMPLE.password },
    result: { ...USER_EXAMPLE, email: "alice@example.org", version: 2 },
  },
  search: {
    params: { query: "al", limit: 20 },
    result: {
      items: [{ id: ID, username: "alice", createdAt: USER_EXAMPLE.createdAt, version: 1 }],
      nextCursor: null,
    },
  },
  names: { params: { ids: [ID] }, result: { items: [{ id: ID, username: "alice" }] } },
  get: { params: { id: ID }, result: USER_EXAMPLE },
  create: { params: ACCOUNT_EXAMPLE, result: USER_EXAMPLE },
  update: {
    params: { id: ID, username: "alice.b" },
    result: { ...USER_EXAMPLE, username: "alice.b", version: 2 },
  },
  remove: { params: { id: ID } },
  setRoles: {
    params: { id: ID, roles: ["user", "moderator"] },
    result: {
      ...USER_EXAMPLE,
      roles: ["user", "moderator"],
      subjectType: SubjectType.UserAccount,
      version: 2,
    },
  },
  setSubjectType: {
    params: { id: ID, subjectType: SubjectType.EnvironmentAdminAccount },
    result: {
      ...USER_EXAMPLE,
      roles: ["admin"],
      subjectType: SubjectType.EnvironmentAdminAccount,
      version: 3,
    },
  },
  permissions: {
    result: {
      items: [
        {
          name: "posts:write",
          title: "Posts: Write",
          description: "Create posts, and change and remove one's own.",
          grantable: true,
        },
      ],
      nextCursor: null,
    },
  },
  roles: { result: { items: [ROLE_EXAMPLE], nextCursor: null } },
  role: { params: { name: "support" }, result: ROLE_EXAMPLE },
  createRole: { params: { name: "support", ...ROLE_PARAMS }, result: ROLE_EXAMPLE },
  changeRole: {
    params: { name: "support", ...ROLE_PARAMS, permissions: ["users:read", "posts:moderate"] },
    result: { ...ROLE_EXAMPLE, permissions: ["users:read", "posts:moderate"], version: 2 },
  },
  removeRole: { params: { name: "support" } },
  posts: { params: { id: ID, limit: 20 }, result: POSTS_EXAMPLE },
};
