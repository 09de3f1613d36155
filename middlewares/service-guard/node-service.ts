import type { Context } from "moleculer";
import { NODE_ACTIONS, NODE_EVENTS } from "../../lib/access/endpoints.ts";
import type { Denials } from "./denials.ts";
import type { Verifier } from "./verifier.ts";

/** What the guard service asks of every node, and tells it. */
export const nodeService = (denials: Denials, verifier: Verifier) => ({
  name: "$guard",
  actions: {
    denials: {
      ...NODE_ACTIONS["$guard.denials"],
      handler: () => denials.list(),
    },
  },
  events: {
    "credential.revoked": {
      ...NODE_EVENTS["credential.revoked"],
      handler(ctx: Context<{ id: string }>) {
        verifier.revoke(ctx.params.id);
      },
    },
  },
});
