import { defineContract } from "../../lib/contract.ts";
import { JWKS } from "../../lib/key-set.ts";

export const contract = defineContract({
  name: "guard",
  actions: {
    exchange: {
      description: "Trades a service's credential, in the header, for a call token.",
      restricted: null,
      auth: "none",
      params: { $$strict: true, audience: "string|min:1|max:200" },
      result: { type: "object", props: { token: "string", expiresIn: "number" } },
    },
    jwks: {
      description: "The public keys that call tokens are checked against.",
      restricted: null,
      auth: "none",
      params: { $$strict: true },
      result: JWKS,
    },
    generate: {
      description: "Makes a service's credential, for its authToken. In development only.",
      restricted: null,
      auth: "none",
      params: { $$strict: true, service: { type: "string", pattern: /^[A-Za-z][\w-]{0,62}$/ } },
      result: "string",
    },
  },
});

declare module "../../lib/contract.ts" {
  interface Contracts {
    guard: typeof contract;
  }
}
