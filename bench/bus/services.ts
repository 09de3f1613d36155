import { setImmediate } from "node:timers/promises";
import type { Context, ServiceSchema } from "moleculer";
import { type Load, putLoad } from "./load.ts";

// The measured services: `caller` calls `callee` the given number of times.

export const SERVICES = ["caller", "callee"];

/** About 100 bytes of JSON. */
const RESPONSE = {
  id: "5f6a37f5-8c3f-4f5f-9b2e-3c0d6f1a7e11",
  status: "published",
  likes: 1_204,
  updatedAt: 1_767_225_600_000,
};

export const caller = {
  name: "caller",
  actions: {
    run: {
      restricted: null,
      handler: (ctx: Context<Load>) => putLoad(ctx, ctx.params),
    },
  },
} as ServiceSchema;

export const callee = {
  name: "callee",
  actions: {
    read: { restricted: ["caller"], handler: () => RESPONSE },
    nothing: { restricted: ["caller"], handler: () => {} },
    work: { restricted: ["caller"], handler: () => setImmediate(RESPONSE) },
  },
} as ServiceSchema;
