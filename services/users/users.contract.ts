import { PEOPLE, STAFF, type SubjectType } from "../../lib/tokens/access-token.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/page.ts";
import { TOKEN_ANSWER, TOKEN_EXAMPLE } from "../auth/auth.contract.ts";
import { POST_SUMMARY, POSTS_EXAMPLE } from "../posts/posts.contract.ts";
import { ROLE_NAMES } from "./roles.ts";

const USERNAME = {
  type: "string",
  min: 3,
  max: 32,
  pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  messages: {
    stringPattern:
      "Must begin with a letter or digit, and have only letters, digits, '.', '_' and '-'.",
  },
} as const;
const EMAIL = { type: "email", mode: "precise", max: 254, normalize: true } as const;
const PASSWORD = { type: "string", min: 8, max: 72 } as const;

/** What is given at the login, or to confirm that it is still oneself: not checked for being a good one. */
const GIVEN_PASSWORD = "string|min:1|max:1000";
/**
 * How long what hashes a password may take, in milliseconds: when many sign in at once, they wait in line for
 * a thread (services/users/passwords/passwords.ts), and what comes before and after needs its time too. On two slow
 * cores that is enough for fifty; longer, and a service that is away would keep everybody waiting.
 */
const HASHING = 15_000;

/** A code of the second factor, or a recovery code. */
const OTP = "string|min:6|max:32";

const RECOVERY_CODES = {
  type: "object",
  props: { recoveryCodes: "string[]" },
} as const;

const ACCOUNT = { $$strict: true, username: USERNAME, email: EMAIL, password: PASSWORD } as const;

const CHANGES = {
  username: { ...USERNAME, optional: true },
  email: { ...EMAIL, optional: true },
} as const;

/** The token of a link that was mailed. */
const LINK_TOKEN = "string|min:1|max:200";

/** E-mail, whether it is verified, and roles are shown to the user and to those who hold users:read. */
const USER = {
  type: "object",
  props: {
    id: "uuid",
    username: "string",
    createdAt: "string",
    email: "email|optional",
    emailVerified: "boolean|optional",
    roles: { type: "array", items: "string", optional: true },
    /** Counts the changes. */
    version: "number",
  },
} as const;

/** The version that is to be changed; another one is left alone. */
const VERSION = { type: "number", integer: true, min: 1, optional: true } as const;

const ID = TOKEN_EXAMPLE.user.id;

const USER_EXAMPLE = {
  id: ID,
  username: "alice",
  createdAt: "2026-11-21T22:31:04.118Z",
  email: "alice@example.com",
  roles: ["user"],
  version: 1,
};

const ACCOUNT_EXAMPLE = {
  username: "alice",
  email: "alice@example.com",
  password: "correct horse battery",
};

const NEW_PASSWORD = "a lighthouse in the fog";

const LINK_TOKEN_EXAMPLE = "Wm3kZ0r5cYtU8hQn1bVxJe6SgLpDfAo2iRw9TqMvK4E";

const RECOVERY_CODES_EXAMPLE = { recoveryCodes: ["K7QM-2XWD-9RTA", "H4VN-8CJP-3YEZ"] };

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
    impersonate: "Act in somebody's name, who may do no more than oneself.",
  },
  actions: {
    register: {
      description:
        "Makes an account for oneself, and signs in. Where mail is delivered, the account is removed after a week unless its e-mail address is verified.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/register",
      timeout: HASHING,
      status: 201,
      idempotent: "once",
      location: "/api/users/me",
      params: ACCOUNT,
      result: TOKEN_ANSWER,
      // of a repeat with the same Idempotency-Key, which signs in
      errors: ["InvalidCredentials", "SecondFactorRequired"],
      example: { params: ACCOUNT_EXAMPLE, result: TOKEN_EXAMPLE },
    },
    login: {
      description:
        "Signs in, by username or e-mail address, and the second factor where there is one.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/login",
      timeout: HASHING,
      params: {
        $$strict: true,
        username: "string|min:1|max:254",
        password: GIVEN_PASSWORD,
        otp: `${OTP}|optional`,
      },
      result: TOKEN_ANSWER,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid"],
      example: {
        params: { username: "alice", password: "correct horse battery" },
        result: TOKEN_EXAMPLE,
      },
    },
    confirm: {
      description:
        "Confirms that the account's owner holds the access token, so that its session may end others for the next 10 minutes.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/confirm",
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid", "NotFound"],
      params: { $$strict: true, currentPassword: GIVEN_PASSWORD, otp: `${OTP}|optional` },
      result: null,
      example: { params: { currentPassword: ACCOUNT_EXAMPLE.password } },
    },
    secondFactor: {
      description: "Has one a second factor, and how many recovery codes are left?",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "GET /api/auth/second-factor",
      params: { $$strict: true },
      result: { type: "object", props: { enabled: "boolean", recoveryCodesLeft: "number" } },
      example: { result: { enabled: true, recoveryCodesLeft: 10 } },
    },
    proposeSecondFactor: {
      description: "Makes the secret of a second factor, which is to be confirmed.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/second-factor",
      timeout: HASHING,
      errors: ["InvalidCredentials", "NotFound", "Conflict"],
      params: { $$strict: true, password: GIVEN_PASSWORD },
      result: { type: "object", props: { secret: "string", uri: "string" } },
      example: {
        params: { password: ACCOUNT_EXAMPLE.password },
        result: {
          secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
          uri: "otpauth://totp/localhost:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=localhost",
        },
      },
    },
    confirmSecondFactor: {
      description:
        "Puts the second factor into force; shows the recovery codes, once, and ends all other sessions.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/second-factor/confirm",
      errors: ["SecondFactorInvalid", "NotFound"],
      params: { $$strict: true, otp: OTP },
      result: RECOVERY_CODES,
      example: { params: { otp: "492039" }, result: RECOVERY_CODES_EXAMPLE },
    },
    renewRecoveryCodes: {
      description: "Makes new recovery codes, in place of the old ones.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/second-factor/recovery-codes",
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorInvalid", "NotFound"],
      params: { $$strict: true, password: GIVEN_PASSWORD, otp: OTP },
      result: RECOVERY_CODES,
      example: {
        params: { password: ACCOUNT_EXAMPLE.password, otp: "492039" },
        result: RECOVERY_CODES_EXAMPLE,
      },
    },
    disableSecondFactor: {
      description: "Takes one's own second factor off.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/second-factor/disable",
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorInvalid", "NotFound"],
      params: { $$strict: true, password: GIVEN_PASSWORD, otp: OTP },
      result: null,
      example: { params: { password: ACCOUNT_EXAMPLE.password, otp: "492039" } },
    },
    removeSecondFactor: {
      description: "Takes the second factor off somebody who has lost it, and ends their sessions.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      rest: "DELETE /api/users/:id/second-factor",
      params: { $$strict: true, id: "uuid" },
      result: null,
      example: { params: { id: ID } },
    },
    changePassword: {
      description: "Changes one's own password, and ends all other sessions.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/password",
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid", "NotFound"],
      params: {
        $$strict: true,
        currentPassword: GIVEN_PASSWORD,
        newPassword: PASSWORD,
        otp: `${OTP}|optional`,
      },
      result: null,
      example: {
        params: {
          currentPassword: ACCOUNT_EXAMPLE.password,
          newPassword: NEW_PASSWORD,
        },
      },
    },
    forgotPassword: {
      description: "Mails a link that sets a new password, if an account has this address.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/forgot-password",
      status: 202,
      params: { $$strict: true, email: EMAIL },
      result: null,
      example: { params: { email: ACCOUNT_EXAMPLE.email } },
    },
    resetPassword: {
      description:
        "Sets a new password by a link that was mailed, and ends all sessions. Where the address was never verified, the second factor ends, too.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/reset-password",
      timeout: HASHING,
      errors: ["LinkInvalid"],
      params: { $$strict: true, token: LINK_TOKEN, newPassword: PASSWORD },
      result: null,
      example: { params: { token: LINK_TOKEN_EXAMPLE, newPassword: NEW_PASSWORD } },
    },
    verifyEmail: {
      description: "Shows by a link that was mailed that the address is one's own.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/verify-email",
      errors: ["LinkInvalid"],
      params: { $$strict: true, token: LINK_TOKEN },
      result: null,
      example: { params: { token: LINK_TOKEN_EXAMPLE } },
    },
    restoreEmail: {
      description:
        "Undoes a change of the e-mail address by the link that was mailed to the old one, within three days, and ends all sessions.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/restore-email",
      errors: ["LinkInvalid"],
      params: { $$strict: true, token: LINK_TOKEN },
      result: null,
      example: { params: { token: LINK_TOKEN_EXAMPLE } },
    },
    resendVerification: {
      description: "Mails another link that shows that the address is one's own.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/verify-email/resend",
      status: 202,
      params: { $$strict: true },
      result: null,
      errors: ["NotFound"],
    },
    profile: {
      description: "One's own account.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/users/me",
      version: "version",
      params: { $$strict: true },
      result: USER,
      errors: ["NotFound"],
      example: { result: USER_EXAMPLE },
    },
    updateProfile: {
      description:
        "Changes one's own username or e-mail address. Another address needs the current password, and a code of the second factor where there is one; a link in a mail to the old address undoes it for three days.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "PATCH /api/users/me",
      timeout: HASHING,
      version: "version",
      params: {
        $$strict: true,
        ...CHANGES,
        currentPassword: `${GIVEN_PASSWORD}|optional`,
        otp: `${OTP}|optional`,
        version: VERSION,
      },
      result: USER,
      errors: [
        "InvalidCredentials",
        "SecondFactorRequired",
        "SecondFactorInvalid",
        "NotFound",
        "Conflict",
      ],
      example: {
        params: { email: "alice@example.org", currentPassword: ACCOUNT_EXAMPLE.password },
        result: { ...USER_EXAMPLE, email: "alice@example.org", version: 2 },
      },
    },
    search: {
      description: "Accounts whose username, or parts of it, begin with the query, newest first.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/users",
      params: { $$strict: true, query: "string|optional|max:32", ...PAGE_PARAMS },
      result: pageOf(USER),
      example: {
        params: { query: "al", limit: 20 },
        result: {
          items: [{ id: ID, username: "alice", createdAt: USER_EXAMPLE.createdAt, version: 1 }],
          nextCursor: null,
        },
      },
    },
    get: {
      description: "One account.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/users/:id",
      version: "version",
      params: { $$strict: true, id: "uuid" },
      result: USER,
      example: { params: { id: ID }, result: USER_EXAMPLE },
    },
    create: {
      description: "Makes an account for somebody.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      rest: "POST /api/users",
      timeout: HASHING,
      status: 201,
      idempotent: true,
      location: "/api/users/:id",
      params: ACCOUNT,
      result: USER,
      example: { params: ACCOUNT_EXAMPLE, result: USER_EXAMPLE },
    },
    update: {
      description:
        "Changes the account of somebody who may do no more than oneself; of one's own the username alone.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      rest: "PUT /api/users/:id",
      timeout: HASHING,
      version: "version",
      params: {
        $$strict: true,
        id: "uuid",
        ...CHANGES,
        password: { ...PASSWORD, optional: true },
        version: VERSION,
      },
      result: USER,
      errors: ["Conflict"],
      example: {
        params: { id: ID, username: "alice.b" },
        result: { ...USER_EXAMPLE, username: "alice.b", version: 2 },
      },
    },
    remove: {
      description: "Removes an account and ends its sessions.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      rest: "DELETE /api/users/:id",
      version: "version",
      params: { $$strict: true, id: "uuid", version: VERSION },
      result: null,
      errors: ["Conflict"],
      example: { params: { id: ID } },
    },
    setRoles: {
      description:
        "Says which roles somebody has. It holds at once: what access tokens said before is refused.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:grant",
      subjects: STAFF,
      rest: "PUT /api/users/:id/roles",
      version: "version",
      params: {
        $$strict: true,
        id: "uuid",
        roles: {
          type: "array",
          items: { type: "enum", values: ROLE_NAMES },
          unique: true,
          max: ROLE_NAMES.length,
        },
        version: VERSION,
      },
      result: USER,
      errors: ["Conflict"],
      example: {
        params: { id: ID, roles: ["user", "moderator"] },
        result: { ...USER_EXAMPLE, roles: ["user", "moderator"], version: 2 },
      },
    },
    posts: {
      description:
        "The posts of one user with excerpts of their bodies; without an id everybody's newest.",
      restricted: ["api", "posts"],
      auth: "none",
      rest: "GET /api/users/:id/posts",
      params: { $$strict: true, id: "uuid|optional", ...PAGE_PARAMS },
      result: pageOf(POST_SUMMARY),
      example: { params: { id: ID, limit: 20 }, result: POSTS_EXAMPLE },
    },
    list: {
      description: "Ids and usernames, for anyone inside.",
      restricted: null,
      auth: "none",
      params: { $$strict: true, ...PAGE_PARAMS },
      result: pageOf({ type: "object", props: { id: "uuid", username: "string" } }),
    },
    name: {
      description: "A user's name now. An access token may have an older one.",
      restricted: ["chat"],
      auth: "none",
      params: { $$strict: true, id: "uuid" },
      result: { type: "object", props: { username: "string" } },
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

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    users: typeof contract;
  }
}
