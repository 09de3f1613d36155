import { defineContract } from "../../lib/contract/contract.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/schemas/page.ts";
import { queueActions } from "../../lib/contract/queue-actions.ts";
import { route } from "../../lib/contract/route.ts";
import { PEOPLE, STAFF, SubjectType } from "../../lib/tokens/subject-type.ts";
import { JWKS } from "../../lib/tokens/key-set.ts";
import { REVOCATIONS, SESSIONS_REVOKED } from "../../lib/tokens/revocations.ts";
import { TOKEN_RESPONSE } from "../../lib/tokens/token-response.ts";
import {
  AUTHENTICATION_CONTEXT,
  CLAIMS,
  CLIENT,
  IMPERSONATION_RESPONSE,
  METADATA,
  NEW_SERVICE_ACCOUNT,
  SERVICE_ACCOUNT,
  SESSION,
  TOKEN_ENDPOINT_PARAMS,
  TOKEN_ENDPOINT_RESPONSE,
} from "./auth.schemas.ts";

export const contract = defineContract({
  name: "auth",
  permissions: {
    manage: {
      title: "Auth: Manage service accounts",
      description: "Create, list and remove service accounts.",
    },
    operate: {
      title: "Auth: Rotate signing keys",
      description: "Rotate the keys that sign access tokens.",
    },
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
  redacted: ["access_token", "refresh_token", "client_secret", "token"],
  audit: {
    "session.ended": "A session was ended; `data.session` is its id.",
    "refresh-token.reused": "A refresh token was used again, so its session was ended.",
    "login.failed": "A client sent wrong credentials to the token endpoint.",
    "token.issued":
      "A service account got an access token; or, with `data.session`, the operator created a session for the subject.",
    "impersonation.started": "A user began to act on behalf of another user.",
    "service-account.created":
      "A service account was created; `data` has its permissions and its subject type.",
    "service-account.changed": "A service account got a new secret.",
    "service-account.removed": "A service account was deleted.",
    "signing-key.rotated": "The key that signs access tokens was replaced.",
  },
  actions: {
    ...queueActions("auth"),
    generateToken: {
      description:
        "Creates a session for a user and returns its access and refresh tokens. The caller has authenticated the user.",
      restricted: ["users"],
      operator: true,
      auth: "none",
      /** `sessionId` lets the caller end the session before the response has arrived. */
      params: { userId: "uuid", sessionId: "uuid|optional" },
      result: TOKEN_RESPONSE,
      errors: ["UserServiceNotAccessible"],
    },
    verifyToken: {
      description:
        "Verifies an access token that did not arrive with a call, and returns its claims. For a trusted issuer's token it returns the claims of ctx.locals.user, not the issuer's.",
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
        "Exchanges a refresh token for new tokens. A refresh token can be used once; a second use ends the session. " +
        "If the response was lost, repeat the request with the same idempotency_key within REFRESH_GRACE seconds and " +
        "before the new refresh token is used: the response then has the same new refresh token. Use a new random " +
        "idempotency_key for each refresh token.",
      auth: "none",
      params: {
        refresh_token: "string|min:1|max:200",
        idempotency_key: "string|optional|min:16|max:200",
      },
      result: TOKEN_RESPONSE,
      oauth: "errors",
      errors: ["RefreshTokenInvalid", "RefreshTokenReused", "UserServiceNotAccessible"],
    }),
    logout: route({
      rest: "POST /api/auth/logout",
      description:
        "Ends the session of the access token. All nodes refuse its tokens from then on.",
      auth: "required",
      permissions: null,
      subjects: [...PEOPLE, SubjectType.ImpersonatedUserAccount],
      params: {},
      result: null,
    }),
    logoutAll: route({
      rest: "POST /api/auth/logout-all",
      description:
        "Ends all sessions of the user. Allowed within 10 minutes after login or POST /api/auth/confirm.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      errors: ["ReauthenticationRequired"],
      params: {},
      result: null,
    }),
    sessions: route({
      rest: "GET /api/auth/sessions",
      description:
        "Lists the user's active sessions, newest first, including those of impersonators.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      params: { ...PAGE_PARAMS },
      result: pageOf(SESSION),
    }),
    revokeSession: route({
      rest: "DELETE /api/auth/sessions/:id",
      description:
        "Ends a session of the user. Other sessions than the current one can be ended within 10 minutes after login or POST /api/auth/confirm.",
      auth: "required",
      permissions: null,
      subjects: PEOPLE,
      errors: ["ReauthenticationRequired"],
      params: { id: "uuid" },
      result: null,
    }),
    confirmSession: {
      description: "Records that the user has just confirmed a session with the password.",
      restricted: ["users"],
      auth: "none",
      params: { id: "uuid" },
      result: null,
    },
    endSessions: {
      description:
        "Ends all sessions of a user, except one if `except` is given; or only the session `only`.",
      restricted: ["users"],
      auth: "none",
      params: { userId: "uuid", except: "uuid|optional", only: "uuid|optional" },
      result: null,
    },
    impersonate: route({
      rest: "POST /api/auth/impersonate",
      limit: "impersonations",
      description:
        "Issues an access token for acting on behalf of another user, without a refresh token. Refused for a " +
        "SuperUserAccount, for a user with a permission that the caller lacks, and, except to administrators of the " +
        "environment, for an EnvironmentAdminAccount.",
      auth: "required",
      permissions: "users:impersonate",
      subjects: STAFF,
      errors: ["NotFound", "UserServiceNotAccessible"],
      params: { userId: "uuid" },
      result: IMPERSONATION_RESPONSE,
    }),
    token: route({
      rest: "POST /api/auth/token",
      description:
        "OAuth's token endpoint (RFC 6749). The grant `client_credentials` is for service accounts, which send their " +
        "id and secret as `Authorization: Basic` or as `client_id` and `client_secret`. The grant `refresh_token` is " +
        "for users, whose client is `first-party` and has no secret; its rules are those of `POST /api/auth/refresh`. " +
        "`scope` requests a part of the subject's permissions, and the response states what was granted.",
      auth: "none",
      errors: [
        "InvalidCredentials",
        "RefreshTokenInvalid",
        "RefreshTokenReused",
        "UserServiceNotAccessible",
      ],
      form: true,
      oauth: "token",
      params: TOKEN_ENDPOINT_PARAMS,
      result: TOKEN_ENDPOINT_RESPONSE,
    }),
    serviceAccounts: route({
      rest: "GET /api/auth/service-accounts",
      description: "Lists the service accounts, newest first.",
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      params: { ...PAGE_PARAMS },
      result: pageOf({ type: "object", name: "ServiceAccount", props: SERVICE_ACCOUNT }),
    }),
    createServiceAccount: route({
      rest: "POST /api/auth/service-accounts",
      description:
        "Creates an account for a program, with permissions that the caller holds. It stays when its creator leaves. " +
        "Only administrators of the environment may create a ManagedServiceAccount.",
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      idempotent: true,
      status: 201,
      location: "/api/auth/service-accounts/:id",
      params: NEW_SERVICE_ACCOUNT,
      result: { type: "object", props: { ...SERVICE_ACCOUNT, ...CLIENT } },
    }),
    changeSecret: route({
      rest: "POST /api/auth/service-accounts/:id/secret",
      description:
        "Creates a new secret for a service account. The old secret and its tokens are refused from then on. " +
        "Only administrators of the environment may create that of a ManagedServiceAccount.",
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      params: { id: "uuid" },
      result: { type: "object", props: CLIENT },
      errors: ["Conflict"],
    }),
    removeServiceAccount: route({
      rest: "DELETE /api/auth/service-accounts/:id",
      description: "Removes a service account. Its tokens are refused from then on.",
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
        "Creates the next key that signs access tokens. It is published at once, and signs 15 seconds later.",
      auth: "required",
      permissions: "auth:operate",
      subjects: STAFF,
      params: {},
      result: { type: "object", props: { kid: "string", alg: "string", signsFrom: "string" } },
    }),
    renewSessions: {
      description:
        "Revokes the access tokens of users whose permissions have changed. The sessions continue: a refresh returns a valid token.",
      restricted: ["users"],
      auth: "none",
      params: { userIds: { type: "array", items: "uuid", min: 1, max: 500 } },
      result: null,
    },
    revocations: {
      description:
        "Lists the hashed ids of the sessions whose access tokens every node must refuse.",
      restricted: null,
      auth: "none",
      params: {},
      result: REVOCATIONS,
    },
    whoami: route({
      rest: "GET /api/protected",
      description: "Returns the claims of the access token, as its issuer signed them.",
      auth: "required",
      permissions: null,
      params: {},
      result: {
        type: "object",
        props: { message: "string", user: { type: "record", key: "string", value: "any" } },
      },
    }),
    context: route({
      rest: "GET /api/auth/context",
      description:
        "Returns the claims of the access token as `subject`; without a valid one the reason as `authErrorInfo`. " +
        "The status is 200 either way.",
      auth: "context",
      params: {},
      result: AUTHENTICATION_CONTEXT,
    }),
    jwks: route({
      rest: "GET /.well-known/jwks.json",
      description: "Returns the public keys that verify access tokens (RFC 7517).",
      restricted: null,
      auth: "none",
      params: {},
      result: JWKS,
    }),
    metadata: route({
      rest: "GET /.well-known/oauth-authorization-server",
      description: "Returns the metadata for OAuth clients (RFC 8414).",
      auth: "none",
      params: {},
      result: METADATA,
    }),
  },
  emits: {
    "sessions.revoked": {
      description:
        "Sessions have ended, or the roles of their users have changed. Nodes refuse their access tokens.",
      params: SESSIONS_REVOKED,
    },
    "signing-keys.changed": {
      description: "A signing key was created. Every node of auth loads and publishes it.",
      durable: true,
      broadcast: true,
      params: {},
    },
  },
  jobs: {
    broadcastRevocations: {
      description: "Broadcasts ended and renewed sessions again, in case a node died before it.",
      params: SESSIONS_REVOKED,
      concurrency: 5,
    },
    purge: {
      description: "Deletes expired tokens, sessions, signing keys and stored responses.",
      params: {},
      schedule: "*/10 * * * *",
      // the next run deletes what is left
      retry: { limit: 0 },
      timeout: 300_000,
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
