import type { Context } from "moleculer";
import type { Denials } from "./denials.ts";
import type { Verifier } from "./verifier.ts";

/** What the guard service asks of every node, and tells it. */
export const nodeService = (denials: Denials, verifier: Verifier) => ({
  name: "$guard",
  actions: {
    denials: {
      restricted: ["guard"],
      auth: "none",
      handler: () => denials.list(),
    },
  },
  events: {
    "credential.revoked": {
      restricted: ["guard"],
      auth: "none",
      handler(ctx: Context<{ id: string }>) {
        verifier.revoke(ctx.params.id);
      },
    },
  },
});
