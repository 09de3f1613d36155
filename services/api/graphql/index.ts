import type { Service } from "moleculer";
import type { Config } from "../../../lib/config/config.ts";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import type { Handler } from "../http/routes.ts";
import type { ConcurrencyLimiter } from "../limits/concurrency.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import type { Connections } from "../sockets/engine-connections.ts";
import type { Subscriptions } from "../subscriptions/subscriptions.ts";
import type { GraphQlConnections, WebSocketOptions } from "./connections.ts";
import { defineSchema } from "./schema/definition.ts";

export interface GraphQlOptions {
  config: Config;
  contracts: ReadonlyMap<string, ServiceContract>;
  limiter: RateLimiter;
  concurrency: ConcurrencyLimiter;
}

/**
 * The handlers of `/graphql`; none if the setting GRAPHQL is off. The first request loads GraphQL, which takes
 * about 0.4 s.
 *
 * @throws Error if two types or fields of the schema would have the same name
 */
export function graphQlHandlers(
  service: Service,
  options: GraphQlOptions,
): Readonly<Record<string, Handler>> {
  const { config, contracts } = options;
  if (!config.graphql) return {};
  const definition = defineSchema(contracts);
  const handle = onFirstUse(async () => {
    const { makeGraphQlHandler } = await import("./request.ts");
    return makeGraphQlHandler(service, { ...options, definition });
  });
  const page = onFirstUse(async () => (await import("./page.ts")).makePageHandler());
  return { "POST /graphql": handle, ...(!config.production && { "GET /graphql": page }) };
}

export interface GraphQlSocketOptions extends Omit<WebSocketOptions, "connections"> {
  contracts: ReadonlyMap<string, ServiceContract>;
  subscriptions: Subscriptions;
}

/**
 * The WebSockets of `/graphql`, for subscriptions; undefined if the setting GRAPHQL is off. The first one loads GraphQL.
 *
 * @param connections counts the connections of each client network
 */
export async function graphQlSockets(
  service: Service,
  { contracts, subscriptions, ...options }: GraphQlSocketOptions,
  connections: Connections,
): Promise<GraphQlConnections | undefined> {
  const { production, graphql } = options.config;
  if (!graphql) return undefined;
  const { GraphQlConnections: Sockets } = await import("./connections.ts");
  return new Sockets(service, { ...options, connections }, async () => {
    const [{ makeSchema }, { serveSubscriptions }] = await Promise.all([
      import("./schema/executable.ts"),
      import("./subscription-server.ts"),
    ]);
    return serveSubscriptions(makeSchema(defineSchema(contracts)), subscriptions, !production);
  });
}

/** A handler that is made at the first request. */
function onFirstUse(make: () => Promise<Handler>): Handler {
  let making: Promise<Handler> | undefined;
  return async (req: GatewayRequest, res: GatewayResponse) => {
    const handler = await (making ??= make());
    return handler(req, res);
  };
}
