import { defineContract } from "../../lib/contract/contract.ts";
import { queueActions } from "../../lib/contract/queue-actions.ts";

/** The service that emits the measured events. */
export const shop = defineContract({
  name: "shop",
  actions: { ...queueActions("shop") },
  emits: {
    "shop.sold": {
      description: "Something was sold.",
      params: { customer: "string", text: "string" },
      durable: true,
    },
    "shop.delivered": {
      description: "Something was delivered.",
      params: { customer: "string", text: "string" },
      durable: true,
      orderBy: "customer",
    },
  },
});

/** The service that handles them. */
export const ledger = defineContract({
  name: "ledger",
  actions: {},
  events: {
    "shop.sold": { restricted: ["shop"], auth: "none" },
    "shop.delivered": { restricted: ["shop"], auth: "none" },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    shop: typeof shop;
    ledger: typeof ledger;
  }
}
