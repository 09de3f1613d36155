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
 * A guard service. Its actions are protected: only the process that runs it and its REPL can call them.
 *
 * - `guard.generate {service}`: a credential, for the service's `authToken`
 * - `guard.revoke {id}`: revokes a credential on every node
 * - `guard.credentials`: the credentials that were used, and which are revoked
 * - `guard.refusals`: the last refusals of all nodes
 *
 * @throws Error for an invalid signing key
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
          throw new Error("Name the service: guard.generate --service users");
        checkServiceName(service);
        return authority.generate(service).credential;
      }),
      revoke: action(async ({ params }) => {
        const record = await authority.revoke(String(params.id));
        if (!record)
          throw new Error(
            "No credential with this id was ever used. guard.credentials lists those that were.",
          );
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
