import { defineContract } from "../../lib/contract.ts";

/** The gateway answers on behalf of the others: it has no actions of its own, and listens. */
export const contract = defineContract({
  name: "api",
  actions: {},
  events: {
    "chat.message": { restricted: ["chat"], auth: "none" },
    "chat.announcement": { restricted: ["chat"], auth: "none" },
    "session.revoked": { restricted: ["auth"], auth: "none" },
  },
});

declare module "../../lib/contract.ts" {
  interface Contracts {
    api: typeof contract;
  }
}
