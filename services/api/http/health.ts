import type { Service, ServiceBroker } from "moleculer";
import { loadContracts } from "../../../lib/contract/load.ts";
import { hasIdentity } from "moleculer-service-guard";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";

/** How long other nodes and the guard may take to respond, in milliseconds. */
const TIMEOUT = 1_000;

/** How long a node that starts waits for every service before it does with those that are there, in milliseconds. */
const STARTING = 15_000;

/** The service on whose behalf the gateway calls. */
const SELF = "api";

/** How a node's readiness is published. */
interface Readiness {
  status: "ready" | "not ready";
  /** The services that calls do not reach now; left out if there are none. */
  missing?: string[];
}

const answer = (res: GatewayResponse, code: number, body: object) => {
  res.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  res.end(JSON.stringify(body));
};

/** The nodes that respond now: a registry alone does not notice that NATS is unavailable. */
async function respondingNodes(broker: ServiceBroker): Promise<ReadonlySet<string>> {
  const pongs = broker.transit ? await broker.ping(undefined, TIMEOUT) : {};
  const others = Object.entries(pongs).flatMap(([nodeID, pong]) => (pong ? [nodeID] : []));
  return new Set([broker.nodeID, ...others]);
}

/**
 * The health of this node. It is ready once every service could be called, or has not come within 15 s, and from
 * then on as long as any of them can: one service that is unavailable is no reason to take all gateways out of rotation,
 * since the routes of the others go on. Without the guard a service can be called for as long as this
 * node's identity lives (SERVICE_IDENTITY_TTL).
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
    const isThere = (action: string) =>
      broker.registry.getActionEndpoints(action)?.endpoints.some(({ id }) => nodes.has(id));
    const canCall = await hasIdentity(broker, SELF, TIMEOUT);
    const missing = services
      .filter(({ actions }) => !canCall || !actions.every(isThere))
      .map(({ name }) => name);
    hasWaited ||= missing.length === 0 || Date.now() - startedAt >= STARTING;
    const isReady = hasWaited && missing.length < services.length;
    return {
      status: isReady ? "ready" : "not ready",
      ...(missing.length > 0 && { missing: missing.toSorted() }),
    };
  };

  return {
    "GET /health/live": (_req: GatewayRequest, res: GatewayResponse) =>
      answer(res, 200, { status: "live" }),
    "GET /health/ready": async (_req: GatewayRequest, res: GatewayResponse) => {
      // concurrent requests share one check
      checking ??= check().finally(() => (checking = undefined));
      const readiness = await checking;
      answer(res, readiness.status === "ready" ? 200 : 503, readiness);
    },
  };
}
