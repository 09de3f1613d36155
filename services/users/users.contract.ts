import { PEOPLE, STAFF, type SubjectType } from "../../lib/tokens/access-token.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/page.ts";
import { TOKEN_ANSWER } from "../auth/auth.contract.ts";
import { POST_SUMMARY } from "../posts/posts.contract.ts";
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

const ACCOUNT = { username: USERNAME, email: EMAIL, password: PASSWORD } as const;

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
  secrets: {
    encryption_key: { description: "Encrypts the second factors in the database.", type: "key" },
    admin_password: {
      description: "The password of the first administrator.",
      type: "password",
      variable: "ADMIN_PASSWORD",
      optional: true,
    },
  },
  errors: {
    LinkInvalid: {
      code: 400,
      message: "This link was used before, or is too old. Ask for a new one.",
    },
    SecondFactorRequired: {
      code: 401,
      message: "This account has a second factor. Send its code as 'otp'.",
    },
    SecondFactorInvalid: {
      code: 401,
      message: "The code of the second factor is wrong, too old, or used before.",
    },
  },
  redacted: [
    "password",
    "currentPassword",
    "newPassword",
    "otp",
    "recoveryCodes",
    "secret",
    "uri",
    "token",
    "access_token",
    "refresh_token",
  ],
  audit: {
    "account.registered": "A user registered.",
    "account.created": "An administrator created an account.",
    "account.changed": "An account was changed; `data.fields` names the fields.",
    "account.removed": "An account was deleted.",
    "roles.changed": "An administrator changed a user's roles; `data` has them before and after.",
    "login.succeeded": "A user logged in.",
    "login.failed": "A login failed; `data.reason` says why.",
    "login.limited": "A login was refused because too many had failed.",
    "password.changed": "A user changed the password, or an administrator set it.",
    "password.forgotten": "A link to reset the password was requested.",
    "password.reset": "A user reset the password with the link.",
    "email.verified": "A user verified the e-mail address with the link.",
    "second-factor.required": "The password was right and the second factor's code was missing.",
    "second-factor.enabled": "A user enabled the second factor.",
    "second-factor.disabled": "The second factor was disabled.",
    "recovery-code.used": "A user logged in with a recovery code.",
    "recovery-codes.renewed": "A user made new recovery codes.",
  },
  actions: {
    register: route({
      rest: "POST /api/auth/register",
      description:
        "Makes an account for oneself, and signs in. Where mail is delivered, the account is removed after a week unless its e-mail address is verified.",
      auth: "none",
      timeout: HASHING,
      status: 201,
      idempotent: "once",
      location: "/api/users/me",
      params: ACCOUNT,
      result: TOKEN_ANSWER,
      // of a repeat with the same Idempotency-Key, which signs in
      errors: ["InvalidCredentials", "SecondFactorRequired"],
    }),
    login: route({
      rest: "POST /api/auth/login",
      description:
        "Signs in, by username or e-mail address, and the second factor where there is one.",
      auth: "none",
      timeout: HASHING,
      params: {
        username: "string|min:1|max:254",
        password: GIVEN_PASSWORD,
        otp: `${OTP}|optional`,
      },
      result: TOKEN_ANSWER,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid"],
    }),
    confirm: route({
      rest: "POST /api/auth/confirm",
      description:
        "Confirms that the account's owner holds the access token, so that its session may end others for the next 10 minutes.",
      auth: "required",
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid", "NotFound"],
      params: { currentPassword: GIVEN_PASSWORD, otp: `${OTP}|optional` },
      result: null,
    }),
    secondFactor: route({
      rest: "GET /api/auth/second-factor",
      description: "Has one a second factor, and how many recovery codes are left?",
      auth: "required",
      subjects: PEOPLE,
      params: {},
      result: { type: "object", props: { enabled: "boolean", recoveryCodesLeft: "number" } },
    }),
    proposeSecondFactor: route({
      rest: "POST /api/auth/second-factor",
      description: "Makes the secret of a second factor, which is to be confirmed.",
      auth: "required",
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "NotFound", "Conflict"],
      params: { password: GIVEN_PASSWORD },
      result: { type: "object", props: { secret: "string", uri: "string" } },
    }),
    confirmSecondFactor: route({
      rest: "POST /api/auth/second-factor/confirm",
      description:
        "Puts the second factor into force; shows the recovery codes, once, and ends all other sessions.",
      auth: "required",
      subjects: PEOPLE,
      errors: ["SecondFactorInvalid", "NotFound"],
      params: { otp: OTP },
      result: RECOVERY_CODES,
    }),
    renewRecoveryCodes: route({
      rest: "POST /api/auth/second-factor/recovery-codes",
      description: "Makes new recovery codes, in place of the old ones.",
      auth: "required",
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorInvalid", "NotFound"],
      params: { password: GIVEN_PASSWORD, otp: OTP },
      result: RECOVERY_CODES,
    }),
    disableSecondFactor: route({
      rest: "POST /api/auth/second-factor/disable",
      description: "Takes one's own second factor off.",
      auth: "required",
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorInvalid", "NotFound"],
      params: { password: GIVEN_PASSWORD, otp: OTP },
      result: null,
    }),
    removeSecondFactor: route({
      rest: "DELETE /api/users/:id/second-factor",
      description: "Takes the second factor off somebody who has lost it, and ends their sessions.",
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      params: { id: "uuid" },
      result: null,
    }),
    changePassword: route({
      rest: "POST /api/auth/password",
      description: "Changes one's own password, and ends all other sessions.",
      auth: "required",
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid", "NotFound"],
      params: {
        currentPassword: GIVEN_PASSWORD,
        newPassword: PASSWORD,
        otp: `${OTP}|optional`,
      },
      result: null,
    }),
    forgotPassword: route({
      rest: "POST /api/auth/forgot-password",
      description: "Mails a link that sets a new password, if an account has this address.",
      auth: "none",
      status: 202,
      params: { email: EMAIL },
      result: null,
    }),
    resetPassword: route({
      rest: "POST /api/auth/reset-password",
      description:
        "Sets a new password by a link that was mailed, and ends all sessions. Where the address was never verified, the second factor ends, too.",
      auth: "none",
      timeout: HASHING,
      errors: ["LinkInvalid"],
      params: { token: LINK_TOKEN, newPassword: PASSWORD },
      result: null,
    }),
    verifyEmail: route({
      rest: "POST /api/auth/verify-email",
      description: "Shows by a link that was mailed that the address is one's own.",
      auth: "none",
      errors: ["LinkInvalid"],
      params: { token: LINK_TOKEN },
      result: null,
    }),
    restoreEmail: route({
      rest: "POST /api/auth/restore-email",
      description:
        "Undoes a change of the e-mail address by the link that was mailed to the old one, within three days, and ends all sessions.",
      auth: "none",
      errors: ["LinkInvalid"],
      params: { token: LINK_TOKEN },
      result: null,
    }),
    resendVerification: route({
      rest: "POST /api/auth/verify-email/resend",
      description: "Mails another link that shows that the address is one's own.",
      auth: "required",
      subjects: PEOPLE,
      status: 202,
      params: {},
      result: null,
      errors: ["NotFound"],
    }),
    profile: route({
      rest: "GET /api/users/me",
      description: "One's own account.",
      auth: "required",
      etag: "version",
      params: {},
      result: USER,
      errors: ["NotFound"],
    }),
    updateProfile: route({
      rest: "PATCH /api/users/me",
      description:
        "Changes one's own username or e-mail address. Another address needs the current password, and a code of the second factor where there is one; a link in a mail to the old address undoes it for three days.",
      auth: "required",
      subjects: PEOPLE,
      timeout: HASHING,
      etag: "version",
      params: {
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
    }),
    search: route({
      rest: "GET /api/users",
      description: "Accounts whose username, or parts of it, begin with the query, newest first.",
      auth: "required",
      params: { query: "string|optional|max:32", ...PAGE_PARAMS },
      result: pageOf(USER),
    }),
    get: route({
      rest: "GET /api/users/:id",
      description: "One account.",
      auth: "required",
      etag: "version",
      params: { id: "uuid" },
      result: USER,
    }),
    create: route({
      rest: "POST /api/users",
      description: "Makes an account for somebody.",
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      timeout: HASHING,
      status: 201,
      idempotent: true,
      location: "/api/users/:id",
      params: ACCOUNT,
      result: USER,
    }),
    update: route({
      rest: "PUT /api/users/:id",
      description:
        "Changes the account of somebody who may do no more than oneself; of one's own the username alone.",
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      timeout: HASHING,
      etag: "version",
      params: {
        id: "uuid",
        ...CHANGES,
        password: { ...PASSWORD, optional: true },
        version: VERSION,
      },
      result: USER,
      errors: ["Conflict"],
    }),
    remove: route({
      rest: "DELETE /api/users/:id",
      description: "Removes an account and ends its sessions.",
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      etag: "version",
      params: { id: "uuid", version: VERSION },
      result: null,
      errors: ["Conflict"],
    }),
    setRoles: route({
      rest: "PUT /api/users/:id/roles",
      description:
        "Says which roles somebody has. It holds at once: what access tokens said before is refused.",
      auth: "required",
      permissions: "users:grant",
      subjects: STAFF,
      etag: "version",
      params: {
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
    }),
    posts: route({
      rest: "GET /api/users/:id/posts",
      description:
        "The posts of one user with excerpts of their bodies; without an id everybody's newest.",
      restricted: ["api", "posts"],
      auth: "none",
      params: { id: "uuid|optional", ...PAGE_PARAMS },
      result: pageOf(POST_SUMMARY),
    }),
    list: {
      description: "Ids and usernames, for anyone inside.",
      restricted: null,
      auth: "none",
      params: { ...PAGE_PARAMS },
      result: pageOf({ type: "object", props: { id: "uuid", username: "string" } }),
    },
    name: {
      description: "A user's name now. An access token may have an older one.",
      restricted: ["chat"],
      auth: "none",
      params: { id: "uuid" },
      result: { type: "object", props: { username: "string" } },
    },
    identity: {
      description: "What an access token says of a user.",
      restricted: ["auth"],
      auth: "none",
      params: { id: "uuid" },
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
      params: { id: "uuid", username: "string" },
    },
    "user.removed": {
      description: "An account is gone.",
      params: { id: "uuid" },
    },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    users: typeof contract;
  }
}
