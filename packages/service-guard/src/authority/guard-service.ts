import type { Context, ServiceBroker, ServiceSchema } from "moleculer";
import { attachAuthority } from "./attachment.ts";
import { GuardAuthority, type GuardAuthorityOptions } from "./authority.ts";
import { refusalsOfAllNodes } from "./all-refusals.ts";
import { checkServiceName } from "./service-name.ts";

interface Attached {
  broker: ServiceBroker;
  detachAuthority?: () => void;
}

/**
 * A guard service. Its actions are protected: they are for the process that runs it, and its REPL.
 *
 * - `guard.generate {service}`: a credential, for the service's `authToken`
 * - `guard.revoke {id}`: ends a credential on every node
 * - `guard.credentials`: those that were used, and which are revoked
 * - `guard.refusals`: the last refusals of all nodes
 *
 * @throws Error for a signing key that cannot be used
 */
export function guardService(options: GuardAuthorityOptions): ServiceSchema {
  const authority = new GuardAuthority(options);
  const action = (handler: (ctx: Context<Record<string, unknown>>) => unknown) => ({
    restricted: null,
    visibility: "protected",
    handler,
  });
  return {
    name: "guard",
    actions: {
      generate: action(({ params }) => {
        const { service } = params;
        if (typeof service !== "string")
          throw new Error("Say for which service: guard.generate --service users");
        checkServiceName(service);
        return authority.generate(service).credential;
      }),
      revoke: action(async ({ params }) => {
        const record = await authority.revoke(String(params.id));
        if (!record)
          throw new Error("No credential of this id was ever used. See guard.credentials.");
        return record;
      }),
      credentials: action(() => authority.list()),
      refusals: action((ctx) => refusalsOfAllNodes(ctx)),
    },
    started(this: Attached) {
      this.detachAuthority = attachAuthority(this.broker, authority);
    },
    stopped(this: Attached) {
      this.detachAuthority?.();
    },
  } as unknown as ServiceSchema;
}
