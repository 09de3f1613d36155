import type { ValueOf } from "../contract/schemas/infer.ts";

/** A token response without a refresh token, with OAuth's names (RFC 6749, 5.1). */
export const ACCESS_TOKEN_PROPS = {
  access_token: "string",
  token_type: { type: "enum", values: ["Bearer"] },
  expires_in: "number",
} as const;

/** The user in a token response. */
export const TOKEN_USER = {
  type: "object",
  name: "TokenUser",
  props: { id: "uuid", username: "string", email: "email", roles: "string[]" },
} as const;

/** The response to a login, a registration and a refresh. */
export const TOKEN_RESPONSE = {
  type: "object",
  name: "Tokens",
  props: { ...ACCESS_TOKEN_PROPS, refresh_token: "string", user: TOKEN_USER },
} as const;

/** For the OpenAPI document. */
export const TOKEN_EXAMPLE: ValueOf<typeof TOKEN_RESPONSE> = {
  access_token: "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…",
  token_type: "Bearer",
  expires_in: 600,
  refresh_token: "aXT9IClu5yCmPYsd8wHnKk2vB0qTgRzE6xLfJoVb1AU",
  user: {
    id: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
    username: "alice",
    email: "alice@example.com",
    roles: ["user"],
  },
};
