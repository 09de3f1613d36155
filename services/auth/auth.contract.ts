import { PEOPLE, STAFF } from "../../lib/tokens/access-token.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { JWKS } from "../../lib/tokens/key-set.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/page.ts";
import { REVOCATIONS } from "../../lib/tokens/revocations.ts";

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

const ACCESS_TOKEN_EXAMPLE = {
  access_token: "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…",
  token_type: "Bearer",
  expires_in: 600,
};

export const TOKEN_EXAMPLE = {
  ...ACCESS_TOKEN_EXAMPLE,
  refresh_token: "aXT9IClu5yCmPYsd8wHnKk2vB0qTgRzE6xLfJoVb1AU",
  user: {
    id: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
    username: "alice",
    email: "alice@example.com",
    roles: ["user"],
  },
};

const SESSION_ID = "5c2fa4a0-6a0d-4f4b-9a55-0c9f3f6b7e18";

const SERVICE_ACCOUNT_EXAMPLE = {
  id: "d2b8a7f4-3c19-4e0b-8b57-6f1f0c9a2e43",
  name: "nightly-import",
  permissions: ["posts:write"],
  createdAt: "2026-11-21T22:32:59.862Z",
  createdBy: "0d6f6d4a-2c1b-4f0e-9a53-7e1c5b8f9d20",
  lastUsedAt: "2026-11-21T22:32:59.862Z",
};

const CLIENT_EXAMPLE = {
  client_id: SERVICE_ACCOUNT_EXAMPLE.id,
  client_secret: "q0ZK1cTjX7mN4sWbEo9RfLd2uYhVaGi8PxMt6QvBkJw",
};

export const contract = defineContract({
  name: "auth",
  permissions: {
    manage: "Make, list and remove service accounts.",
    operate: "Change the key that signs access tokens.",
  },
  actions: {
    createSession: {
      description: "Begins a session of a user who has proved to be one, and mints its tokens.",
      restricted: ["users"],
      auth: "none",
      /** `id`: of the session, for who may have to end it. */
      params: { $$strict: true, userId: "uuid", id: "uuid|optional" },
      result: TOKEN_ANSWER,
    },
    refresh: {
      description:
        "Trades a refresh token for new tokens. Each is good for one use; a second one, by whomever, " +
        "ends the session. Only who sends the idempotency_key of the first use again, within " +
        "REFRESH_GRACE and before the new refresh token is used, gets that refresh token once more: " +
        "the answer may have been lost. The key is a random value, new for each refresh token.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/refresh",
      params: {
        $$strict: true,
        refresh_token: "string|min:1|max:200",
        idempotency_key: "string|optional|min:16|max:200",
      },
      result: TOKEN_ANSWER,
      oauth: "errors",
      errors: ["RefreshTokenInvalid", "RefreshTokenReused"],
      example: {
        params: { refresh_token: "q0ZK1cTjX7mN4sWbEo9RfLd2uYhVaGi8PxMt6QvBkJw" },
        result: TOKEN_EXAMPLE,
      },
    },
    logout: {
      description: "Ends the session of the access token, everywhere at once.",
      restricted: ["api"],
      auth: "required",
      subjects: [...PEOPLE, "ImpersonatedUserAccount"],
      rest: "POST /api/auth/logout",
      params: { $$strict: true },
      result: null,
    },
    logoutAll: {
      description:
        "Ends all sessions of the user, within 10 minutes of the sign-in or of POST /api/auth/confirm.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "POST /api/auth/logout-all",
      errors: ["ReauthenticationRequired"],
      params: { $$strict: true },
      result: null,
    },
    sessions: {
      description: "One's own living sessions, newest first, those of impersonators among them.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "GET /api/auth/sessions",
      params: { $$strict: true, ...PAGE_PARAMS },
      result: pageOf(SESSION),
      example: {
        params: { limit: 20 },
        result: {
          items: [
            {
              id: SESSION_ID,
              createdAt: "2026-11-21T22:32:59.862Z",
              lastUsedAt: "2026-11-22T08:15:30.407Z",
              expiresAt: "2026-12-22T08:15:30.407Z",
              device: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
              address: "203.0.113.7",
              current: true,
            },
          ],
          nextCursor: null,
        },
      },
    },
    revokeSession: {
      description:
        "Ends one of one's own sessions, everywhere at once: the one that asks, or another within 10 minutes of the sign-in or of POST /api/auth/confirm.",
      restricted: ["api"],
      auth: "required",
      subjects: PEOPLE,
      rest: "DELETE /api/auth/sessions/:id",
      errors: ["ReauthenticationRequired"],
      params: { $$strict: true, id: "uuid" },
      result: null,
      example: { params: { id: SESSION_ID } },
    },
    confirmSession: {
      description: "Notes that the user has just given the password in a session.",
      restricted: ["users"],
      auth: "none",
      params: { $$strict: true, id: "uuid" },
      result: null,
    },
    endSessions: {
      description:
        "Ends the sessions of somebody whose password is another now, but one; or only one of them.",
      restricted: ["users"],
      auth: "none",
      params: { $$strict: true, userId: "uuid", except: "uuid|optional", only: "uuid|optional" },
      result: null,
    },
    impersonate: {
      description:
        "An access token to act in somebody's name, without a refresh token. Not for administrators " +
        "of the whole, nor for anybody who may do something that one may not do oneself. At most 30 a minute.",
      restricted: ["api"],
      auth: "required",
      permissions: "users:impersonate",
      subjects: STAFF,
      rest: "POST /api/auth/impersonate",
      errors: ["NotFound"],
      params: { $$strict: true, userId: "uuid" },
      result: { type: "object", props: { ...ACCESS_TOKEN, user: USER } },
      example: {
        params: { userId: TOKEN_EXAMPLE.user.id },
        result: { ...ACCESS_TOKEN_EXAMPLE, user: TOKEN_EXAMPLE.user },
      },
    },
    token: {
      description:
        "OAuth's token endpoint (RFC 6749). `client_credentials` is for service accounts, whose id and secret " +
        "come as `Authorization: Basic` or as `client_id` and `client_secret`. `refresh_token` does what " +
        "`POST /api/auth/refresh` does, by its rules; it is for tokens of people, whose client is `first-party` and " +
        "has no secret. `scope` asks for a part of the permissions, and is answered with what was granted.",
      restricted: ["api"],
      auth: "none",
      rest: "POST /api/auth/token",
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
      example: {
        params: { grant_type: "client_credentials", ...CLIENT_EXAMPLE },
        result: { ...ACCESS_TOKEN_EXAMPLE, scope: "posts:write" },
      },
    },
    serviceAccounts: {
      description: "The service accounts, newest first.",
      restricted: ["api"],
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      rest: "GET /api/auth/service-accounts",
      params: { $$strict: true, ...PAGE_PARAMS },
      result: pageOf({ type: "object", props: SERVICE_ACCOUNT }),
      example: {
        params: { limit: 20 },
        result: { items: [SERVICE_ACCOUNT_EXAMPLE], nextCursor: null },
      },
    },
    createServiceAccount: {
      description:
        "Makes an account for a program, with permissions that one holds oneself. It goes on without its maker.",
      restricted: ["api"],
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      rest: "POST /api/auth/service-accounts",
      idempotent: true,
      status: 201,
      location: "/api/auth/service-accounts/:id",
      params: {
        $$strict: true,
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
      example: {
        params: { name: "nightly-import", permissions: ["posts:write"] },
        result: { ...SERVICE_ACCOUNT_EXAMPLE, ...CLIENT_EXAMPLE },
      },
    },
    changeSecret: {
      description:
        "Gives a service account a new secret. The old one and its tokens are worth nothing any more.",
      restricted: ["api"],
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      rest: "POST /api/auth/service-accounts/:id/secret",
      params: { $$strict: true, id: "uuid" },
      result: { type: "object", props: CLIENT },
      errors: ["Conflict"],
      example: {
        params: { id: SERVICE_ACCOUNT_EXAMPLE.id },
        result: CLIENT_EXAMPLE,
      },
    },
    removeServiceAccount: {
      description: "Removes a service account; its tokens are refused at once.",
      restricted: ["api"],
      auth: "required",
      permissions: "auth:manage",
      subjects: STAFF,
      rest: "DELETE /api/auth/service-accounts/:id",
      params: { $$strict: true, id: "uuid" },
      result: null,
      errors: ["Conflict"],
      example: { params: { id: SERVICE_ACCOUNT_EXAMPLE.id } },
    },
    rotateKeys: {
      description:
        "Makes the next key for access tokens. It is published at once, and signs a little later.",
      restricted: ["api"],
      auth: "required",
      permissions: "auth:operate",
      subjects: STAFF,
      rest: "POST /api/auth/keys/rotate",
      params: { $$strict: true },
      result: {
        type: "object",
        props: { kid: "string", alg: "string", signsFrom: "string" },
      },
      example: {
        result: {
          kid: "Yh0zTj3YVnE2h1sQ5v9yq0m8fXoR4bKcW7uLdGpNa6I",
          alg: "RS256",
          signsFrom: "2026-11-22T08:15:45.407Z",
        },
      },
    },
    renewSessions: {
      description:
        "Calls the access tokens of somebody back who may do other things now; the sessions go on.",
      restricted: ["users"],
      auth: "none",
      params: { $$strict: true, userId: "uuid" },
      result: null,
    },
    revocations: {
      description:
        "The sessions that ended lately, hashed; every node refuses their access tokens.",
      restricted: null,
      auth: "none",
      params: { $$strict: true },
      result: REVOCATIONS,
    },
    whoami: {
      description: "Says who the access token speaks for.",
      restricted: ["api"],
      auth: "required",
      rest: "GET /api/protected",
      params: { $$strict: true },
      result: {
        type: "object",
        props: { message: "string", user: { type: "record", key: "string", value: "any" } },
      },
      example: {
        result: {
          message: "Access granted",
          user: {
            iss: "http://localhost:3000",
            aud: "http://localhost:3000",
            sub: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
            iat: 1_795_300_379,
            exp: 1_795_300_979,
            jti: "7a5c0c6b-2b87-4c0e-8f5e-93a0de6f4d52",
            client_id: "first-party",
            sid: SESSION_ID,
            username: "alice",
            roles: ["user"],
            permissions: { chat: ["write"], posts: ["write"] },
            tenantId: "default",
            environmentId: "development",
            subjectType: "EndUserAccount",
          },
        },
      },
    },
    jwks: {
      description: "The public keys that access tokens are checked against (RFC 7517).",
      restricted: null,
      auth: "none",
      rest: "GET /.well-known/jwks.json",
      params: { $$strict: true },
      result: JWKS,
      example: {
        result: {
          keys: [
            { kty: "RSA", kid: "2026-11", alg: "RS256", use: "sig", n: "0vx7agoebGcQ…", e: "AQAB" },
          ],
        },
      },
    },
    metadata: {
      description: "What OAuth clients need to know (RFC 8414).",
      restricted: ["api"],
      auth: "none",
      rest: "GET /.well-known/oauth-authorization-server",
      params: { $$strict: true },
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
      example: {
        result: {
          issuer: "http://localhost:3000",
          token_endpoint: "http://localhost:3000/api/auth/token",
          jwks_uri: "http://localhost:3000/.well-known/jwks.json",
          scopes_supported: ["chat:write", "posts:write"],
          response_types_supported: [],
          grant_types_supported: [...GRANT_TYPES],
          token_endpoint_auth_methods_supported: [
            "client_secret_basic",
            "client_secret_post",
            "none",
          ],
        },
      },
    },
  },
  emits: {
    "sessions.revoked": {
      description:
        "Sessions were ended, or their tokens of older generations called back; they are refused from now on.",
      params: {
        $$strict: true,
        sessions: {
          type: "array",
          items: { type: "object", props: { sid: "uuid", generation: "number|optional" } },
        },
        /** When the last of the tokens has expired, in seconds since the epoch. */
        until: "number",
      },
    },
    "signing-keys.changed": {
      description: "There is a new key for access tokens, which every node of auth has to publish.",
      params: { $$strict: true },
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
