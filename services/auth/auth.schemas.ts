import { SubjectType } from "../../lib/tokens/subject-type.ts";
import { ACCESS_TOKEN_PROPS, TOKEN_USER } from "../../lib/tokens/token-response.ts";

export const IMPERSONATION_RESPONSE = {
  type: "object",
  name: "ImpersonationToken",
  props: { ...ACCESS_TOKEN_PROPS, user: TOKEN_USER },
} as const;

/** The grants of the token endpoint (RFC 6749, 4.4 and 6). */
export const GRANT_TYPES = ["client_credentials", "refresh_token"] as const;

export const TOKEN_ENDPOINT_PARAMS = {
  // unknown parameters are ignored (RFC 6749, 3.2)
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
    messages: { stringPattern: "Must be scopes, separated by single spaces." },
  },
} as const;

export const TOKEN_ENDPOINT_RESPONSE = {
  type: "object",
  props: {
    ...ACCESS_TOKEN_PROPS,
    /** The permissions in the access token; missing if there are none. */
    scope: "string|optional",
    refresh_token: "string|optional",
    user: { ...TOKEN_USER, optional: true },
  },
} as const;

/** The claims of an access token (lib/tokens/access-token.ts). */
export const CLAIMS = {
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
    permissions: { type: "record", key: "string", value: { type: "array", items: "string" } },
    tenantId: "string",
    environmentId: "string",
    subjectType: { type: "enum", values: Object.values(SubjectType) },
    act: { type: "object", optional: true, props: { sub: "string", username: "string" } },
    name: "string|optional",
    email: "string|optional",
    tags: { type: "array", items: "string", optional: true },
    applicationId: "string|optional",
    profileId: "string|optional",
    extensions: { type: "record", key: "string", value: "any", optional: true },
    sessionId: "string|optional",
  },
} as const;

/** Exactly one of the two. */
export const AUTHENTICATION_CONTEXT = {
  type: "object",
  props: {
    subject: { ...CLAIMS, optional: true },
    /** The error that an action with `auth: "required"` would respond with. */
    authErrorInfo: {
      type: "object",
      optional: true,
      props: {
        name: "string",
        message: "string",
        code: "number",
        type: "string",
        data: "any|optional",
      },
    },
  },
} as const;

export const SESSION = {
  type: "object",
  name: "Session",
  props: {
    id: "uuid",
    createdAt: "string",
    /** The time of the last login or refresh. */
    lastUsedAt: "string",
    expiresAt: "string",
    /** The client's User-Agent. */
    device: { type: "string", nullable: true },
    address: { type: "string", nullable: true },
    /** Whether it is the session of the request. */
    current: "boolean",
    /** Only of an impersonation. */
    impersonator: {
      type: "object",
      optional: true,
      props: { id: "string", username: "string" },
    },
  },
} as const;

/** The kinds of service account. */
export const PROGRAM_SUBJECT_TYPES = [
  SubjectType.ServiceAccount,
  SubjectType.ManagedServiceAccount,
  SubjectType.EndUserApplication,
] as const;

export const NEW_SERVICE_ACCOUNT = {
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
  subjectType: {
    type: "enum",
    values: PROGRAM_SUBJECT_TYPES,
    default: SubjectType.ServiceAccount,
  },
} as const;

export const SERVICE_ACCOUNT = {
  id: "uuid",
  name: "string",
  permissions: "string[]",
  subjectType: { type: "enum", values: PROGRAM_SUBJECT_TYPES },
  createdAt: "string",
  /** The id of the user who created it; null: not recorded. */
  createdBy: { type: "uuid", nullable: true },
  /** When it last got a token, or else when its secret was created. */
  lastUsedAt: "string",
} as const;

/** Returned once: auth stores only a hash of the secret. */
export const CLIENT = { client_id: "uuid", client_secret: "string" } as const;

/** The authorization server's metadata (RFC 8414). */
export const METADATA = {
  type: "object",
  name: "AuthorizationServer",
  props: {
    issuer: "string",
    token_endpoint: "string",
    jwks_uri: "string",
    scopes_supported: "string[]",
    response_types_supported: "string[]",
    grant_types_supported: "string[]",
    token_endpoint_auth_methods_supported: "string[]",
  },
} as const;
