import { defineContract } from "../../lib/contract.ts";
import { JWK, JWKS } from "../../lib/key-set.ts";

/** What is known of a credential; its secret is not. */
const CREDENTIAL = {
  type: "object",
  props: {
    id: "uuid",
    service: "string",
    issuedAt: "string",
    expiresAt: "string",
    lastUsedAt: { type: "string", nullable: true },
    revokedAt: { type: "string", nullable: true },
  },
} as const;

export const contract = defineContract({
  name: "guard",
  permissions: { operate: "Make, list and revoke the services' credentials; see refusals." },
  actions: {
    exchange: {
      description: "Trades the proof of a credential, in the headers, for a call token.",
      restricted: null,
      auth: "none",
      params: {
        $$strict: true,
        audience: "string|min:1|max:200",
        /** Binds the token to the caller's key (RFC 7800). */
        jwk: { ...JWK, strict: true },
      },
      result: { type: "object", props: { token: "string", expiresIn: "number" } },
    },
    jwks: {
      description: "The public keys that call tokens are checked against, each vouching for all.",
      restricted: null,
      auth: "none",
      params: { $$strict: true },
      result: {
        type: "object",
        props: { ...JWKS.props, endorsements: "string[]" },
      },
    },
    generate: {
      description: "Makes a service's credential, for its authToken. On a bus for operators only.",
      restricted: null,
      auth: "optional",
      params: { $$strict: true, service: { type: "string", pattern: /^[A-Za-z][\w-]{0,62}$/ } },
      result: "string",
    },
    denials: {
      description: "The last refusals of all nodes. On a bus for operators only.",
      restricted: null,
      auth: "optional",
      params: { $$strict: true },
      result: {
        type: "object",
        props: {
          last: {
            type: "array",
            items: {
              type: "object",
              props: {
                target: "string",
                type: "string",
                caller: "string|optional",
                nodeID: "string|optional",
                at: "string",
              },
            },
          },
          counts: {
            type: "array",
            items: {
              type: "object",
              props: { target: "string", type: "string", count: "number" },
            },
          },
        },
      },
    },
    credentials: {
      description: "The credentials that were used, and which are revoked.",
      restricted: ["api"],
      auth: "required",
      permissions: "guard:operate",
      params: { $$strict: true },
      result: {
        type: "object",
        props: { items: { type: "array", items: CREDENTIAL } },
      },
    },
    revoke: {
      description: "Revokes a credential: no token for it any more, and those it had are refused.",
      restricted: ["api"],
      auth: "required",
      permissions: "guard:operate",
      proof: "request",
      params: { $$strict: true, id: "uuid" },
      result: CREDENTIAL,
    },
  },
  emits: {
    "credential.revoked": {
      description: "A credential is revoked; every node refuses its call tokens.",
      params: { $$strict: true, id: "uuid" },
    },
  },
});

declare module "../../lib/contract.ts" {
  interface Contracts {
    guard: typeof contract;
  }
}
