import { ENVIRONMENT_ADMINS, PEOPLE, STAFF, SubjectType } from "../../lib/tokens/subject-type.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { queueActions } from "../../lib/contract/queue-actions.ts";
import { route } from "../../lib/contract/route.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/schemas/page.ts";
import { VERSION } from "../../lib/contract/schemas/version.ts";
import { TOKEN_RESPONSE } from "../../lib/tokens/token-response.ts";
import { POST_SUMMARY } from "../posts/posts.schemas.ts";
import { GIVEN_ROLES, ROLE_ACTIONS, ROLE_JOBS } from "./roles/roles.contract.ts";
import { LIMITS } from "./users.limits.ts";
import {
  ACCOUNT,
  CHANGES,
  EMAIL,
  GIVEN_PASSWORD,
  LINK_TOKEN,
  NOTICE_NAMES,
  OTP,
  PASSWORD,
  RECOVERY_CODES,
  STAFF_CHANGES,
  USER,
  USER_NAME,
} from "./users.schemas.ts";

/**
 * The timeout of actions that hash a password, in milliseconds. It covers the wait for a thread (`waitingHashes` in
 * users.limits.ts). A longer one would delay the response to every user while a service is unreachable.
 */
const HASHING = 15_000;

/** A mail server may be down for an hour: a mail is tried 13 times within about three hours. */
const MAIL = {
  retry: { limit: 12, delay: 5_000, maxDelay: 3_600_000 },
  concurrency: 5,
  timeout: 60_000,
} as const;

export const contract = defineContract({
  name: "users",
  permissions: {
    read: {
      title: "Users: Read addresses and roles",
      description: "Read the e-mail addresses and roles of all users.",
    },
    write: { title: "Users: Manage accounts", description: "Create, change and remove accounts." },
    roles: { title: "Users: Manage roles", description: "Create, change and remove roles." },
    grant: { title: "Users: Grant roles", description: "Grant and revoke roles." },
    impersonate: {
      title: "Users: Impersonate",
      description: "Act on behalf of a user who has no more permissions.",
    },
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
  limits: LIMITS,
  errors: {
    LinkInvalid: {
      code: 400,
      message: "This link was used before or has expired. Request a new one.",
    },
    SecondFactorRequired: {
      code: 401,
      message: "This account has a second factor. Send its code as 'otp'.",
    },
    SecondFactorInvalid: {
      code: 401,
      message: "The code of the second factor is wrong, has expired, or was used before.",
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
    "email",
    "extensions",
  ],
  audit: {
    "account.registered": "A user registered.",
    "account.created": "An administrator created an account.",
    "account.changed": "An account was changed; `data.fields` names the fields.",
    "account.removed": "An account was removed.",
    "roles.changed": "An administrator changed a user's roles; `data` has them before and after.",
    "subject-type.changed":
      "An administrator of the environment changed an account's subject type; `data` has it before and after.",
    "role.created": "A role was created; `data` has its name and permissions.",
    "role.changed":
      "A role was changed; `data` has its name, and its permissions before and after.",
    "role.removed": "A role was removed; `data` has its name and the permissions that it had.",
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
    "recovery-codes.renewed": "A user created new recovery codes.",
  },
  actions: {
    ...queueActions("users"),
    ...ROLE_ACTIONS,
    register: route({
      rest: "POST /api/auth/register",
      description:
        "Creates an account and signs in. If the operator has set up mail, the account is removed after 7 days unless its e-mail address is verified.",
      auth: "none",
      timeout: HASHING,
      status: 201,
      idempotent: "once",
      unavailable: "UserServiceNotAccessible",
      location: "/api/users/me",
      params: ACCOUNT,
      result: TOKEN_RESPONSE,
      // a repeated request with the same Idempotency-Key signs in
      errors: ["InvalidCredentials", "SecondFactorRequired"],
    }),
    login: route({
      rest: "POST /api/auth/login",
      description:
        "Signs in with a username or e-mail address, a password and, if the account has a second factor, a code of it.",
      auth: "none",
      unavailable: "UserServiceNotAccessible",
      timeout: HASHING,
      params: {
        username: "string|min:1|max:254",
        password: GIVEN_PASSWORD,
        otp: `${OTP}|optional`,
      },
      result: TOKEN_RESPONSE,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid"],
    }),
    confirm: route({
      rest: "POST /api/auth/confirm",
      description:
        "Confirms the session with the password. For the next 10 minutes it may end other sessions.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorRequired", "SecondFactorInvalid", "NotFound"],
      params: { currentPassword: GIVEN_PASSWORD, otp: `${OTP}|optional` },
      result: null,
    }),
    secondFactor: route({
      rest: "GET /api/auth/second-factor",
      description:
        "Tells whether the user has a second factor, and how many recovery codes are left.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      params: {},
      result: { type: "object", props: { enabled: "boolean", recoveryCodesLeft: "number" } },
    }),
    proposeSecondFactor: route({
      rest: "POST /api/auth/second-factor",
      description:
        "Creates the secret of a second factor. It has no effect until a code confirms it.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "NotFound", "Conflict"],
      params: { password: GIVEN_PASSWORD },
      result: { type: "object", props: { secret: "string", uri: "string" } },
    }),
    confirmSecondFactor: route({
      rest: "POST /api/auth/second-factor/confirm",
      description:
        "Enables the second factor, returns the recovery codes, which are shown only once, and ends all other sessions.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      errors: ["SecondFactorInvalid", "NotFound"],
      params: { otp: OTP },
      result: RECOVERY_CODES,
    }),
    renewRecoveryCodes: route({
      rest: "POST /api/auth/second-factor/recovery-codes",
      description: "Creates new recovery codes. The old ones no longer work.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorInvalid", "NotFound"],
      params: { password: GIVEN_PASSWORD, otp: OTP },
      result: RECOVERY_CODES,
    }),
    disableSecondFactor: route({
      rest: "POST /api/auth/second-factor/disable",
      description: "Disables the user's own second factor.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      timeout: HASHING,
      errors: ["InvalidCredentials", "SecondFactorInvalid", "NotFound"],
      params: { password: GIVEN_PASSWORD, otp: OTP },
      result: null,
    }),
    removeSecondFactor: route({
      rest: "DELETE /api/users/:id/second-factor",
      description:
        "Removes the second factor of a user who has lost it, and ends the user's sessions.",
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      params: { id: "uuid" },
      result: null,
    }),
    changePassword: route({
      rest: "POST /api/auth/password",
      description: "Changes the user's own password and ends all other sessions.",
      auth: "required",
      permissions: null,
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
      description:
        "Mails a link that sets a new password, if there is an account with this address. The response is the same if there is none.",
      auth: "none",
      status: 202,
      params: { email: EMAIL },
      result: null,
    }),
    resetPassword: route({
      rest: "POST /api/auth/reset-password",
      description:
        "Sets a new password with the token of a mailed link, and ends all sessions. A second factor that was set up before the address was verified is removed.",
      auth: "none",
      timeout: HASHING,
      errors: ["LinkInvalid"],
      params: { token: LINK_TOKEN, newPassword: PASSWORD },
      result: null,
    }),
    verifyEmail: route({
      rest: "POST /api/auth/verify-email",
      description: "Verifies an account's e-mail address with the token of a mailed link.",
      auth: "none",
      errors: ["LinkInvalid"],
      params: { token: LINK_TOKEN },
      result: null,
    }),
    restoreEmail: route({
      rest: "POST /api/auth/restore-email",
      description:
        "Restores the former e-mail address with the token of the link that was mailed to it, within three days, and ends all sessions.",
      auth: "none",
      errors: ["LinkInvalid"],
      params: { token: LINK_TOKEN },
      result: null,
    }),
    resendVerification: route({
      rest: "POST /api/auth/verify-email/resend",
      description: "Mails another link that verifies the user's e-mail address.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      status: 202,
      params: {},
      result: null,
      errors: ["NotFound"],
    }),
    profile: route({
      rest: "GET /api/users/me",
      description: "The user's own account.",
      auth: "required",
      permissions: null,
      etag: "version",
      params: {},
      result: USER,
      errors: ["NotFound"],
    }),
    updateProfile: route({
      rest: "PATCH /api/users/me",
      description:
        "Changes the user's own username or e-mail address. Another address needs the current password and, if there is a second factor, a code of it. A link that is mailed to the former address restores it for three days.",
      auth: "required",
      permissions: null,
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
      description:
        "Accounts, the newest first. With a query, those whose username or a part of it begins with it.",
      auth: "required",
      permissions: null,
      params: { query: "string|optional|max:32", ...PAGE_PARAMS },
      result: pageOf(USER),
    }),
    // before GET /api/users/:id, which has the same form
    names: route({
      rest: "GET /api/users/names",
      description: "The usernames of up to 100 accounts. Accounts that do not exist are left out.",
      auth: "required",
      permissions: null,
      params: {
        ids: { type: "array", items: "uuid", min: 1, max: 100, unique: true, convert: true },
      },
      result: { type: "object", props: { items: { type: "array", items: USER_NAME } } },
    }),
    get: route({
      rest: "GET /api/users/:id",
      description: "An account.",
      auth: "required",
      permissions: null,
      etag: "version",
      params: { id: "uuid" },
      result: USER,
    }),
    create: route({
      rest: "POST /api/users",
      description: "Creates an account for a user.",
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
        "Changes the account of a user who has no more permissions than the caller. On the caller's own account it changes neither the password nor the address.",
      auth: "required",
      permissions: "users:write",
      subjects: STAFF,
      timeout: HASHING,
      etag: "version",
      params: {
        id: "uuid",
        ...STAFF_CHANGES,
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
        "Sets the roles of a user, effective immediately: the user's access tokens expire and have to be refreshed.",
      auth: "required",
      permissions: "users:grant",
      subjects: STAFF,
      etag: "version",
      params: {
        id: "uuid",
        roles: GIVEN_ROLES,
        version: VERSION,
      },
      result: USER,
      errors: ["Conflict"],
    }),
    setSubjectType: route({
      rest: "PUT /api/users/:id/subject-type",
      description:
        "Makes an account with the role admin an administrator of the environment, or an ordinary administrator again, " +
        "effective immediately: the user's access tokens expire and have to be refreshed.",
      auth: "required",
      permissions: "users:grant",
      subjects: ENVIRONMENT_ADMINS,
      etag: "version",
      params: {
        id: "uuid",
        subjectType: {
          type: "enum",
          values: [SubjectType.EnvironmentAdminAccount, SubjectType.UserAccount],
        },
        version: VERSION,
      },
      result: USER,
      errors: ["Conflict"],
    }),
    posts: route({
      rest: "GET /api/users/:id/posts",
      description:
        "The posts of one user, the newest first, with excerpts of their bodies. Without an id, the posts of all users.",
      restricted: ["api", "posts"],
      auth: "none",
      params: { id: "uuid|optional", ...PAGE_PARAMS },
      result: pageOf(POST_SUMMARY),
    }),
    list: {
      description: "Ids and usernames, for every service.",
      restricted: null,
      auth: "none",
      params: { ...PAGE_PARAMS },
      result: pageOf(USER_NAME),
    },
    name: {
      description: "The current username of a user. An access token may have a former one.",
      restricted: ["chat"],
      auth: "none",
      params: { id: "uuid" },
      result: { type: "object", props: { username: "string" } },
    },
    // only auth signs access tokens: no other service needs a user's address, roles and permissions at once
    identity: {
      description: "The claims about a user for an access token.",
      restricted: ["auth"],
      auth: "none",
      params: { id: "uuid" },
      result: {
        type: "object",
        props: {
          id: "uuid",
          username: "string",
          email: "email",
          emailVerified: "boolean",
          name: "string|optional",
          tags: "string[]",
          extensions: { type: "record", key: "string", value: "any", optional: true },
          roles: "string[]",
          permissions: "string[]",
          subjectType: { type: "enum", values: PEOPLE },
        },
      },
    },
  },
  emits: {
    "user.created": {
      description: "An account was created.",
      durable: true,
      orderBy: "id",
      params: { id: "uuid", username: "string" },
    },
    "user.renamed": {
      description: "An account has a new username.",
      durable: true,
      broadcast: true,
      params: { id: "uuid" },
    },
    "user.removed": {
      description: "An account was removed.",
      durable: true,
      orderBy: "id",
      params: { id: "uuid" },
    },
  },
  // no job holds a token or the text of a mail: the queue's table and its operators see none
  jobs: {
    sendLink: {
      description: "Gives a link its token and mails it, unless the link was used or revoked.",
      params: { id: "uuid" },
      ...MAIL,
    },
    sendResetLink: {
      description:
        "Mails a link that sets a new password, if there is an account with the address.",
      params: {
        email: "string",
        /** Who requested it. */
        client: {
          type: "object",
          optional: true,
          props: {
            address: "string",
            userAgent: "string|optional",
            correlationId: "string|optional",
          },
        },
      },
      ...MAIL,
    },
    sendNotice: {
      description: "Mails a notice of a change, to the address that the account had then.",
      params: {
        accountId: "uuid",
        to: "string",
        isVerified: "boolean",
        notice: { type: "enum", values: NOTICE_NAMES },
      },
      ...MAIL,
    },
    removeExpiredAccounts: {
      description:
        "Removes registered accounts whose owners did not verify an address in time, up to 1,000 of them.",
      params: {},
      schedule: "*/10 * * * *",
      // the next run removes what is left
      retry: { limit: 0 },
      timeout: 300_000,
    },
    ...ROLE_JOBS,
    purge: {
      description: "Deletes links that expired a day ago, and stored responses.",
      params: {},
      schedule: "*/10 * * * *",
      retry: { limit: 0 },
    },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    users: typeof contract;
  }
}
