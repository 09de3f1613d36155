import { defineContract } from "../../lib/contract.ts";
import { JWKS } from "../../lib/key-set.ts";
import { REVOCATIONS } from "../../lib/revocations.ts";

/** What a sign-in answers, with OAuth's names (RFC 6749, 5.1). */
export const TOKEN_ANSWER = {
  type: "object",
  props: {
    access_token: "string",
    refresh_token: "string",
    token_type: { type: "enum", values: ["Bearer"] },
    expires_in: "number",
    user: {
      type: "object",
      props: { id: "uuid", username: "string", email: "email", roles: "string[]" },
    },
  },
} as const;

export const contract = defineContract({
  name: "auth",
  actions: {
    createSession: {
      description: "Begins a session of a user who has proved to be one, and mints its tokens.",
      restricted: ["users"],
      auth: "none",
      proof: "request",
      params: { $$strict: true, userId: "uuid" },
      result: TOKEN_ANSWER,
    },
    refresh: {
      description: "Trades a refresh token for new tokens. Each is good for one use.",
      restricted: ["api"],
      auth: "none",
      proof: "request",
      rest: "POST /api/auth/refresh",
      params: { $$strict: true, refresh_token: "string|min:1|max:200" },
      result: TOKEN_ANSWER,
    },
    logout: {
      description: "Ends the session of the access token, everywhere at once.",
      restricted: ["api"],
      auth: "required",
      rest: "POST /api/auth/logout",
      params: { $$strict: true },
      result: null,
    },
    logoutAll: {
      description: "Ends all sessions of the user.",
      restricted: ["api"],
      auth: "required",
      rest: "POST /api/auth/logout-all",
      params: { $$strict: true },
      result: null,
    },
    endSessions: {
      description: "Ends all sessions of somebody whose password is another now.",
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
    },
    jwks: {
      description: "The public keys that access tokens are checked against (RFC 7517).",
      restricted: null,
      auth: "none",
      rest: "GET /.well-known/jwks.json",
      params: { $$strict: true },
      result: JWKS,
    },
  },
  emits: {
    "session.revoked": {
      description: "A session was ended; its access tokens are refused from now on.",
      params: { $$strict: true, sid: "uuid", until: "number" },
    },
  },
  events: {
    "user.removed": { restricted: ["users"], auth: "none" },
  },
});

declare module "../../lib/contract.ts" {
  interface Contracts {
    auth: typeof contract;
  }
}
