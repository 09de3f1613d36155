import type { Service } from "moleculer";
import { loadContracts } from "../../lib/contracts.ts";
import type { GatewayRequest, GatewayResponse } from "./gateways.ts";

const answer = (res: GatewayResponse, code: number, body: object) => {
  res.writeHead(code, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  res.end(JSON.stringify(body));
};

/** The health of this node: alive, and ready once every service that has routes can be called. */
export function healthHandlers(service: Service) {
  const actions = [...loadContracts().values()].flatMap(({ name, actions: offered }) =>
    Object.keys(offered).map((action) => `${name}.${action}`),
  );
  const isAvailable = (action: string) =>
    service.broker.registry.getActionEndpoints(action)?.hasAvailable() ?? false;
  return {
    "GET /health/live": (_req: GatewayRequest, res: GatewayResponse) =>
      answer(res, 200, { status: "live" }),
    "GET /health/ready": (_req: GatewayRequest, res: GatewayResponse) => {
      const isReady = service.broker.started && actions.every(isAvailable);
      answer(res, isReady ? 200 : 503, { status: isReady ? "ready" : "not ready" });
    },
  };
}
