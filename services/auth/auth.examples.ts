import type { Examples } from "../../lib/contract/examples.ts";
import type { ValueOf } from "../../lib/contract/schemas/infer.ts";
import { SubjectType } from "../../lib/tokens/subject-type.ts";
import { TOKEN_EXAMPLE } from "../../lib/tokens/token-response.ts";
import type { contract } from "./auth.contract.ts";
import { type CLAIMS, GRANT_TYPES } from "./auth.schemas.ts";

const { access_token, token_type, expires_in } = TOKEN_EXAMPLE;
const ACCESS_TOKEN_EXAMPLE = { access_token, token_type, expires_in };

const SESSION_ID = "5c2fa4a0-6a0d-4f4b-9a55-0c9f3f6b7e18";

const SERVICE_ACCOUNT_EXAMPLE = {
  id: "d2b8a7f4-3c19-4e0b-8b57-6f1f0c9a2e43",
  name: "nightly-import",
  permissions: ["posts:write"],
  subjectType: SubjectType.ServiceAccount,
  createdAt: "2026-11-21T22:32:59.862Z",
  createdBy: "0d6f6d4a-2c1b-4f0e-9a53-7e1c5b8f9d20",
  lastUsedAt: "2026-11-21T22:32:59.862Z",
};

const CLIENT_EXAMPLE = {
  client_id: SERVICE_ACCOUNT_EXAMPLE.id,
  client_secret: "q0ZK1cTjX7mN4sWbEo9RfLd2uYhVaGi8PxMt6QvBkJw",
};

const CLAIMS_EXAMPLE: ValueOf<typeof CLAIMS> = {
  iss: "http://localhost:3000",
  aud: "http://localhost:3000",
  sub: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
  iat: 1_795_300_379,
  exp: 1_795_300_979,
  jti: "7a5c0c6b-2b87-4c0e-8f5e-93a0de6f4d52",
  client_id: "first-party",
  sid: SESSION_ID,
  generation: 1,
  username: "alice",
  roles: ["user"],
  permissions: { chat: ["write"], posts: ["write"] },
  tenantId: "default",
  environmentId: "development",
  subjectType: SubjectType.EndUserAccount,
};

/** For the OpenAPI document. */
export const examples: Examples<typeof contract> = {
  refresh: {
    params: { refresh_token: "q0ZK1cTjX7mN4sWbEo9RfLd2uYhVaGi8PxMt6QvBkJw" },
    result: TOKEN_EXAMPLE,
  },
  sessions: {
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
  revokeSession: { params: { id: SESSION_ID } },
  impersonate: {
    params: { userId: TOKEN_EXAMPLE.user.id },
    result: { ...ACCESS_TOKEN_EXAMPLE, user: TOKEN_EXAMPLE.user },
  },
  token: {
    params: { grant_type: "client_credentials", ...CLIENT_EXAMPLE },
    result: { ...ACCESS_TOKEN_EXAMPLE, scope: "posts:write" },
  },
  serviceAccounts: {
    params: { limit: 20 },
    result: { items: [SERVICE_ACCOUNT_EXAMPLE], nextCursor: null },
  },
  createServiceAccount: {
    params: { name: "nightly-import", permissions: ["posts:write"] },
    result: { ...SERVICE_ACCOUNT_EXAMPLE, ...CLIENT_EXAMPLE },
  },
  changeSecret: {
    params: { id: SERVICE_ACCOUNT_EXAMPLE.id },
    result: CLIENT_EXAMPLE,
  },
  removeServiceAccount: { params: { id: SERVICE_ACCOUNT_EXAMPLE.id } },
  rotateKeys: {
    result: {
      kid: "Yh0zTj3YVnE2h1sQ5v9yq0m8fXoR4bKcW7uLdGpNa6I",
      alg: "RS256",
      signsFrom: "2026-11-22T08:15:45.407Z",
    },
  },
  whoami: {
    result: {
      message: "Access granted",
      user: CLAIMS_EXAMPLE,
    },
  },
  context: { result: { subject: CLAIMS_EXAMPLE } },
  jwks: {
    result: {
      keys: [
        { kty: "RSA", kid: "2026-11", alg: "RS256", use: "sig", n: "0vx7agoebGcQ…", e: "AQAB" },
      ],
    },
  },
  metadata: {
    result: {
      issuer: "http://localhost:3000",
      token_endpoint: "http://localhost:3000/api/auth/token",
      jwks_uri: "http://localhost:3000/.well-known/jwks.json",
      scopes_supported: ["chat:write", "posts:write"],
      response_types_supported: [],
      grant_types_supported: [...GRANT_TYPES],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
    },
  },
};
