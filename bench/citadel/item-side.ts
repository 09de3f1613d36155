import type { HttpSide } from "../harness/http-side.ts";
import { startNats } from "../harness/processes.ts";
import type { BenchContext } from "../harness/suite.ts";
import { type ApplicationOptions, startApplication } from "./application.ts";

// The application in one form of several that a suite compares: a signed-in GET through its gateway and the service `item`.

export interface ItemForm extends Pick<ApplicationOptions, "env" | "more"> {
  name: string;
  /** How many nodes run the service. */
  nodes?: number;
}

/** The processes whose CPU time is measured. */
export const ITEM_PROCESSES = ["gateway", "service", "nats-server", "others"];

/** Starts the gateway, the nodes of the service, and all services that these need and that are idle meanwhile. */
export async function startItemSide(
  { nodeOptions }: BenchContext,
  { name, nodes = 1, env = {}, more }: ItemForm,
): Promise<HttpSide> {
  const nats = await startNats();
  const application = await startApplication({
    natsUrl: nats.url,
    processes: [
      ["api"],
      ...Array.from({ length: nodes }, () => ["item"]),
      ["guard", "auth", "users", "posts", "chat"],
    ],
    nodeOptions,
    env,
    ...(more && { more }),
  });
  const token = await application.signIn();
  return {
    name,
    request: {
      url: `${application.url}/api/item`,
      method: "GET",
      headers: { authorization: `Bearer ${token}` },
      status: 200,
    },
    processes: {
      gateway: [application.pidOf("api")],
      service: application.pidsOf("item"),
      "nats-server": [nats.pid],
      others: [application.pidOf("guard")],
    },
  };
}
