import { PEOPLE, STAFF, SUBJECT_TYPES } from "../../lib/tokens/access-token.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";
import { JWKS } from "../../lib/tokens/key-set.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/page.ts";
import { REVOCATIONS, SESSIONS_REVOKED } from "../../lib/tokens/revocations.ts";

/** An access token with OAuth's names (RFC 6749, 5.1). */
const ACCESS_TOKEN = {
  access_token: "string",
  token_type: { type: "enum", values: ["Bearer"] },
  expires_in: "number",
} as const;

const USER = {
  type: "object",
  props: { id: "uuid", username: "string", email: "email", roles: "string[]" },
} as const;

/** The grants of the token endpoint (RFC 6749, 4.4 and 6). */
export const GRANT_TYPES = ["client_credentials", "refresh_token"] as const;

/** What a sign-in answers. */
export const TOKEN_ANSWER = {
  type: "object",
  props: { ...ACCESS_TOKEN, refresh_token: "string", user: USER },
} as const;

/** The claims of an access token (lib/tokens/access-token.ts). */
const CLAIMS = {
  type: "object",
  props: {
    iss: "string",
    aud: "string",
    sub: "string",
    iat: "number",
    exp: "number",
    jti: "string",
    client_id: "string|optional",
    scope: "string|optional",
    sid: "string",
    generation: "number",
    username: "string",
    roles: "string[]",
    permissions: {
      type: "record",
      key: "string",
      value: { type: "array", items: "string" },
    },
    tenantId: "string",
    environmentId: "string",
    subjectType: { type: "enum", values: SUBJECT_TYPES },
    act: { type: "object", optional: true, props: { sub: "string", username: "string" } },
  },
} as const;

const SESSION = {
  type: "object",
  props: {
    id: "uuid",
    createdAt: "string",
    /** When its tokens were last refreshed. */
    lastUsedAt: "string",
    expiresAt: "string",
    /** The client's User-Agent. */
    device: { type: "string", nullable: true },
    address: { type: "string", nullable: true },
    /** Is it the one that asks? */
    current: "boolean",
    /** Who acts in the user's name in it. */
    impersonator: {
      type: "object",
      optional: true,
      props: { id: "string", username: "string" },
    },
  },
} as const;

const SERVICE_ACCOUNT = {
  id: "uuid",
  name: "string",
  permissions: "string[]",
  createdAt: "string",
  /** The user who made it; null: that was not written down then. */
  createdBy: { type: "uuid", nullable: true },
  /** When it last got a token; until then, when its secret was made. */
  lastUsedAt: "string",
} as const;

/** Shown once: only a hash of the secret is kept. */
const CLIENT = { client_id: "uuid", client_secret: "string" } as const;

export const contract = defineContract({
  name: "auth",
  permissions: {
    manage: "Make, list and remove service accounts.",
    operate: "Change the key that signs access tokens.",
  },
  secrets: {
    encryption_key: { description: "Encrypts the signing keys in the database.", type: "key" },
  },
  limits: {
    impersonations: {
      counts: "impersonations, refused ones included: each leaves a session and an audit entry",
      per: "user",
      max: 30,
      seconds: 60,
    },
  },
  errors: {
    ReauthenticationRequired: {
      code: 403,
      message:
        "You signed in too long ago for this. Send your password, and a code of your second factor if you have one, to POST /api/auth/confirm; then try again within 10 minutes.",
    },
  },
  redacted: ["access_token", "refresh_token", "client_secret"],
  audit: {
    "session.ended": "A session was ended; `data.session` is its id.",
    "refresh-token.reused": "A refresh token was used again, so its session was ended.",
    "login.failed": "A client sent wrong credentials to the token endpoint.",
    "token.issued": "A service account received an access token.",
    "impersonation.started": "A user began to act on behalf of another user.",
    "service-account.created": "A service account was created; `data` has its permissions.",
    "service-account.changed": "A service account got a new secret.",
    "service-account.removed": "A service account was deleted.",
    "signing-key.rotated": "The key that signs access tokens was replaced.",
  },
  actions: {
    generateToken: {
      description:
        "Creates a session for a user and returns its access and refresh tokens. The caller has authenticated the user.",
      restricted: ["users"],
      operator: true,
      auth: "none",
      /** `sessionId` lets the caller end the session before the response has arrived. */
      params: { userId: "uuid", sessionId: "uuid|optional" },
      result: TOKEN_ANSWER,
    },
    verifyToken: {
      description:
        "Verifies an access token that did not arrive with a call, and returns its claims. The token of a trusted issuer gives the claims of its user here.",
      restricted: ["api", "chat", "guard", "posts", "users"],
      operator: true,
      auth: "none",
      safe: true,
      params: { token: "string" },
      result: CLAIMS,
      errors: [
        "AccessTokenExpired",
        "AccessTokenRevoked",
        "AccessTokenVerificationFailed",
        "SigningKeyNotFound",
        "JwksError",
        "IdentityServiceNotAccessible",
      ],
    },
    ready: {
      description:
        "Succeeds when auth can create sessions and sign tokens. Call it before work that needs auth afterwards.",
      restricted: ["users"],
      auth: "none",
      safe: true,
      params: {},
      result: null,
    },
    refresh: route({
      rest: "POST /api/auth/refresh",
      description:
        "Trades a refresh token for new tokens. Each is good for one use; a second one, by whomever, " +
        "ends the session. Only who sends the idempotency_key of the first use again, within " +
        "REFRESH_GRACE and before the new refresh token is used, gets that refresh token once more: " +
        "the answer may have been lost. The key is a random value, new for each refresh token.",
      auth: "none",
      params: {
        refresh_token: "string|min:1|max:200",
        idempotency_key: "string|optional|min:16|max:200",
      },
      result: TOKEN_ANSWER,
      oauth: "errors",
      errors: ["RefreshTokenInvalid", "RefreshTokenReused"],
    }),
    logout: route({
      rest: "POST /api/auth/logout",
      description: "Ends the session of the access token, everywhere at once.",
      auth: "required",
      subjects: [...PEOPLE, "ImpersonatedUserAccount"],
      params: {},
      result: null,
    }),
    logoutAll: route({
      rest: "POST /api/auth/logout-all",
      description:
        "Ends all sessions of the user, within 10 minutes of the sign-in or of POST /api/auth/confirm.",
      auth: "required",
      subjects: PEOPLE,
      errors: ["ReauthenticationRequired"],
      params: {},
      result: null,
    }),
    sessions: route({
      rest: "GET /api/auth/sessions",
      description: "One's own living sessions, newest first, those of impersonators among them.",
      auth: "required",
      subjects: PEOPLE,
      params: { ...PAGE_PARAMS },
      result: pageOf(SESSION),
    }),
    revokeSession: route({
      rest: "DELETE /api/auth/sessions/:id",
      description:
        "Ends one of one's own sessions, everywhere at once: the one that asks, or another within 10 minutes of the sign-in or of POST /api/auth/confirm.",
      auth: "required",
      subjects: PEOPLE,
      errors: ["ReauthenticationRequired"],
      params: { id: "uuid" },
      result: null,
    }),
    confirmSession: {
      description: "Notes that the user has just given the password in a session.",
      restricted: ["users"],
      auth: "none",
      params: { id: "uuid" },
      result: null,
    },
    endSessions: {
      description:
        "Ends the sessions of somebody whose password is another now, but one; or only one of them.",
      restricted: ["users"],
      auth: "none",
      params: { userId: "uuid", except: "uuid|optional", only: "uuid|optional" },
      result: null,
    },
    impersonate: route({
      rest: "POST /api/auth/impersonate",
      limit: "impersonations",
      description:
        "An access token to act in somebody's name, without a refresh token. Not for administrators " +
        "of the whole, nor for anybody who may do something that one may not do oneself.",
      auth: "required",
      permissions: "users:impersonate",
      subjects: STAFF,
      errors: ["NotFound"],
      params: { userId: "uuid" },
      result: { type: "object", props: { ...ACCESS_TOKEN, user: USER } },
    }),
    token: route({
      rest: "POST /api/auth/token",
      description:
        "OAuth's token endpoint (RFC 6749). `client_credentials` is for service accounts, whose id and secret " +
        "come as `Authorization: Basic` or as `client_id` and `client_secret`. `refresh_token` does what " +
        "`POST /api/auth/refresh` does, by its rules; it is for tokens of people, whose client is `first-party` and " +
        "has no secret. `scope` asks for a part of the permissions, and is answered with what was granted.",
      auth: "none",
      errors: ["InvalidCredentials", "RefreshTokenInvalid", "RefreshTokenReused"],
      form: true,
      oauth: "token",
      params: {
        // RFC 6749, 3.2: what is not known is ignored
        $$strict: "remove",
        grant_type: { type: "enum", values: GRANT_TYPES },
        client_id: "string|optional|min:1|max:200",
        client_secret: "string|optional|min:1|max:200",
        refresh_token: "string|optional|min:1|max:200",
        idempotency_key: "string|optional|min:16|max:200",
        // RFC 6749, 3.3
        scope: {
          type: "string",
          optional: true,
          max: 2_000,
          pattern: /^[!#-[\]-~]+( [!#-[\]-~]+)*$/,
          messages: { stringPattern: "Must be scopes with one space between two." },
        },
      },
      result: {
        type: "object",
        props: {
          ...ACCESS_TOKEN,
          /** The permissions in the access token; left out: none. */
          scope: "string|optional",
          refresh_token: "string|optional",
          user: { ...USER, optional: true },
        },
      },
    }),
    serviceAccounts: route({
      rest: "GET /api/auth/service-accounts",
      description: "The service accounts, newest first.",
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      params: { ...PAGE_PARAMS },
      result: pageOf({ type: "object", props: SERVICE_ACCOUNT }),
    }),
    createServiceAccount: route({
      rest: "POST /api/auth/service-accounts",
      description:
        "Makes an account for a program, with permissions that one holds oneself. It goes on without its maker.",
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      idempotent: true,
      status: 201,
      location: "/api/auth/service-accounts/:id",
      params: {
        name: {
          type: "string",
          min: 3,
          max: 64,
          pattern: /^[A-Za-z0-9][A-Za-z0-9 ._-]*$/,
          messages: {
            stringPattern:
              "Must begin with a letter or digit, and have only letters, digits, spaces, '.', '_' and '-'.",
          },
        },
        permissions: { type: "array", items: "string|max:100", unique: true, max: 100 },
      },
      result: { type: "object", props: { ...SERVICE_ACCOUNT, ...CLIENT } },
    }),
    changeSecret: route({
      rest: "POST /api/auth/service-accounts/:id/secret",
      description:
        "Gives a service account a new secret. The old one and its tokens are worth nothing any more.",
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      params: { id: "uuid" },
      result: { type: "object", props: CLIENT },
      errors: ["Conflict"],
    }),
    removeServiceAccount: route({
      rest: "DELETE /api/auth/service-accounts/:id",
      description: "Removes a service account; its tokens are refused at once.",
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      params: { id: "uuid" },
      result: null,
      errors: ["Conflict"],
    }),
    rotateKeys: route({
      rest: "POST /api/auth/keys/rotate",
      description:
        "Makes the next key for access tokens. It is published at once, and signs a little later.",
      auth: "required",
      permissions: "auth:operate",
      subjects: STAFF,
      params: {},
      result: {
        type: "object",
        props: { kid: "string", alg: "string", signsFrom: "string" },
      },
    }),
    renewSessions: {
      description:
        "Calls the access tokens of somebody back who may do other things now; the sessions go on.",
      restricted: ["users"],
      auth: "none",
      params: { userId: "uuid" },
      result: null,
    },
    revocations: {
      description:
        "The sessions that ended lately, hashed; every node refuses their access tokens.",
      restricted: null,
      auth: "none",
      params: {},
      result: REVOCATIONS,
    },
    whoami: route({
      rest: "GET /api/protected",
      description: "Says who the access token speaks for.",
      auth: "required",
      params: {},
      result: {
        type: "object",
        props: { message: "string", user: { type: "record", key: "string", value: "any" } },
      },
    }),
    jwks: route({
      rest: "GET /.well-known/jwks.json",
      description: "The public keys that access tokens are checked against (RFC 7517).",
      restricted: null,
      auth: "none",
      params: {},
      result: JWKS,
    }),
    metadata: route({
      rest: "GET /.well-known/oauth-authorization-server",
      description: "What OAuth clients need to know (RFC 8414).",
      auth: "none",
      params: {},
      result: {
        type: "object",
        props: {
          issuer: "string",
          token_endpoint: "string",
          jwks_uri: "string",
          scopes_supported: "string[]",
          response_types_supported: "string[]",
          grant_types_supported: "string[]",
          token_endpoint_auth_methods_supported: "string[]",
        },
      },
    }),
  },
  emits: {
    "sessions.revoked": {
      description:
        "Sessions were ended, or their tokens of older generations called back; they are refused from now on.",
      params: SESSIONS_REVOKED,
    },
    "signing-keys.changed": {
      description: "There is a new key for access tokens, which every node of auth has to publish.",
      params: {},
    },
  },
  events: {
    "user.removed": { restricted: ["users"], auth: "none" },
    "signing-keys.changed": { restricted: ["auth"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    auth: typeof contract;
  }
}
