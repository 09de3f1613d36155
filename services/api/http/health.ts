import type { Service, ServiceBroker } from "moleculer";
import { loadContracts } from "../../../lib/contract/load.ts";
import { hasIdentity } from "moleculer-service-guard";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";

/** How long other nodes and the guard may take to respond, in milliseconds. */
const PING_TIMEOUT = 1_000;

/** How long a starting node waits for all services before it becomes ready without some, in milliseconds. */
const START_TIMEOUT = 15_000;

/** The gateway's own service, which makes all calls. */
const SELF = "api";

/** The body of `GET /health/ready`. */
interface Readiness {
  status: "ready" | "not ready";
  /** The services that cannot be called now; left out if there are none. */
  missing?: string[];
}

const respond = (res: GatewayResponse, code: number, body: object) => {
  res.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  res.end(JSON.stringify(body));
};

/** The nodes that respond to a ping. Moleculer's registry does not notice that NATS is unavailable. */
async function respondingNodes(broker: ServiceBroker): Promise<ReadonlySet<string>> {
  const pongs = broker.transit ? await broker.ping(undefined, PING_TIMEOUT) : {};
  const reachable = Object.entries(pongs).flatMap(([nodeID, pong]) => (pong ? [nodeID] : []));
  return new Set([broker.nodeID, ...reachable]);
}

/**
 * Handlers for liveness and readiness. A node becomes ready when all services can be called, or after 15 s. It then stays
 * ready while at least one service can be called: one unavailable service must not take all gateways out of
 * rotation. If the guard is unavailable, calls work until this node's identity token expires (SERVICE_IDENTITY_TTL).
 */
export function healthHandlers({ broker }: Service) {
  const services = [...loadContracts().values()]
    .filter(({ name, actions }) => name !== SELF && Object.keys(actions).length > 0)
    .map(({ name, actions }) => ({
      name,
      actions: Object.keys(actions).map((action) => `${name}.${action}`),
    }));
  const startedAt = Date.now();
  let hasWaited = false;
  let checking: Promise<Readiness> | undefined;

  const check = async (): Promise<Readiness> => {
    if (!broker.started || broker.stopping) return { status: "not ready" };
    const nodes = await respondingNodes(broker);
    const isReachable = (action: string) =>
      broker.registry.getActionEndpoints(action)?.endpoints.some(({ id }) => nodes.has(id));
    const canCall = await hasIdentity(broker, SELF, PING_TIMEOUT);
    const missing = services
      .filter(({ actions }) => !canCall || !actions.every(isReachable))
      .map(({ name }) => name);
    hasWaited ||= missing.length === 0 || Date.now() - startedAt >= START_TIMEOUT;
    const isReady = hasWaited && missing.length < services.length;
    return {
      status: isReady ? "ready" : "not ready",
      ...(missing.length > 0 && { missing: missing.toSorted() }),
    };
  };

  return {
    "GET /health/live": (_req: GatewayRequest, res: GatewayResponse) =>
      respond(res, 200, { status: "live" }),
    "GET /health/ready": async (_req: GatewayRequest, res: GatewayResponse) => {
      // concurrent requests share one check
      checking ??= check().finally(() => (checking = undefined));
      const readiness = await checking;
      respond(res, readiness.status === "ready" ? 200 : 503, readiness);
    },
  };
}
