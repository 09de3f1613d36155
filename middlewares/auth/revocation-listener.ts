import type { Context, ServiceSchema } from "moleculer";
import type { Access } from "../../lib/contract/declarations/access.ts";
import type { Revocations, SessionsRevoked } from "../../lib/tokens/revocations.ts";

/** A service of every node, whatever other services it runs, that keeps its revocations current. */
export const revocationListener = (revocations: Revocations, access: Access): ServiceSchema => ({
  name: "$revocations",
  events: {
    "sessions.revoked": {
      ...access,
      handler(ctx: Context<SessionsRevoked>) {
        const { sessions, until } = ctx.params;
        for (const { sid, generation } of sessions) revocations.add(sid, until, generation);
      },
    },
    // broadcasts were lost while the transporter was disconnected
    "$transporter.connected": () => revocations.markOutdated(),
  },
});
