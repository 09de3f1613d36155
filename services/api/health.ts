import type { Service, ServiceBroker } from "moleculer";
import { loadContracts } from "../../lib/contracts.ts";
import type { GatewayRequest, GatewayResponse } from "./gateways.ts";

/** How long the other nodes may take to answer, in milliseconds. */
const PATIENCE = 1_000;

const answer = (res: GatewayResponse, code: number, body: object) => {
  res.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  res.end(JSON.stringify(body));
};

/** The nodes that answer now: a registry alone does not notice that the bus between them is away. */
async function answeringNodes(broker: ServiceBroker): Promise<ReadonlySet<string>> {
  const pongs = broker.transit ? await broker.ping(undefined, PATIENCE) : {};
  const others = Object.entries(pongs).flatMap(([nodeID, pong]) => (pong ? [nodeID] : []));
  return new Set([broker.nodeID, ...others]);
}

/**
 * The health of this node: alive; and ready from when every action was there for the first time until
 * the node stops, or no other node answers any more. One service that is away is not its fault: the
 * routes of all others go on.
 */
export function healthHandlers({ broker }: Service) {
  const actions = [...loadContracts().values()].flatMap(({ name, actions: offered }) =>
    Object.keys(offered).map((action) => `${name}.${action}`),
  );
  let wasComplete = false;
  let asking: Promise<boolean> | undefined;
  const isReady = async () => {
    if (!broker.started || broker.stopping) return false;
    const nodes = await answeringNodes(broker);
    const isThere = (action: string) =>
      broker.registry.getActionEndpoints(action)?.endpoints.some(({ id }) => nodes.has(id));
    const isComplete = actions.every(isThere);
    wasComplete ||= isComplete;
    return isComplete || (wasComplete && (nodes.size > 1 || !broker.transit));
  };
  return {
    "GET /health/live": (_req: GatewayRequest, res: GatewayResponse) =>
      answer(res, 200, { status: "live" }),
    "GET /health/ready": async (_req: GatewayRequest, res: GatewayResponse) => {
      // all who ask at once share one look at the other nodes
      asking ??= isReady().finally(() => (asking = undefined));
      const [code, status] = (await asking) ? [200, "ready"] : [503, "not ready"];
      answer(res, code, { status });
    },
  };
}
