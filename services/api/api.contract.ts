import { defineContract } from "../../lib/contract/contract.ts";

/** The gateway answers on behalf of the others: it has no actions of its own, and listens. */
export const contract = defineContract({
  name: "api",
  actions: {},
  emits: {
    "gateway.consumed": {
      description: "What a gateway has counted towards the rate limits since it told last.",
      params: {
        gateway: "uuid",
        consumed: {
          type: "array",
          max: 5_000,
          items: {
            type: "object",
            strict: true,
            props: {
              limit: { type: "enum", values: ["address", "user", "public"] },
              key: "string|length:16",
              points: "number|integer|min:1|max:10000000",
            },
          },
        },
      },
    },
  },
  events: {
    "sessions.revoked": { restricted: ["auth"], auth: "none" },
    "gateway.consumed": { restricted: ["api"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    api: typeof contract;
  }
}
