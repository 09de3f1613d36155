import { contracts } from "../../fixtures/queue/services.ts";
import { type Servers, startServers } from "../servers.ts";
import { makeNode, type OrdersNode } from "./messages.ts";

/** Two nodes of each side and the servers between them. */
export interface Cluster extends Servers {
  readonly orders: readonly OrdersNode[];
  readonly billing: readonly OrdersNode[];
}

export async function startCluster(): Promise<Cluster> {
  const servers = await startServers(contracts);
  const { env } = servers;
  const twins = (service: string) =>
    [1, 2].map((number) => makeNode(`${service} ${number}`, [service], env));
  const [guard, orders, billing] = [
    makeNode("guard", ["guard"], env),
    twins("orders"),
    twins("billing"),
  ];
  const nodes = [guard, ...orders, ...billing];
  await Promise.all(nodes.map((node) => node.start()));
  return {
    ...servers,
    orders,
    billing,
    async stop() {
      await Promise.all(nodes.map((node) => node.end("SIGKILL")));
      await servers.stop();
    },
  };
}
