import { GuardAuthority, makeSigningKey } from "moleculer-service-guard";
import type { Server } from "../harness/processes.ts";
import { OURS } from "../harness/suite.ts";
import { type NodeProcess, startNode } from "./processes.ts";
import { BARE, type Side } from "./sides.ts";

// Both sides use one nats-server. Each has a guard node, a caller and a callee, in processes of their own.

/** Both have the same length, since they are part of each subject. */
const NAMESPACES: Record<Side, string> = { [BARE]: "bench-a", [OURS]: "bench-b" };

export const signingKey = makeSigningKey();
const authority = new GuardAuthority({ signingKey });

/** A credential for each service. */
export const credentialsOf = (services: readonly string[]): Record<string, string> =>
  Object.fromEntries(services.map((name) => [name, authority.generate(name).credential]));

export interface Topology {
  nats: Server;
  nodes: Record<Side, { caller: NodeProcess; callee: NodeProcess }>;
}

export async function startTopology(nats: Server): Promise<Topology> {
  const startSide = async (side: Side) => {
    const credentials = credentialsOf(["caller", "callee"]);
    const shared = { side, namespace: NAMESPACES[side], url: nats.url, signingKey, credentials };
    const [, callee, caller] = await Promise.all([
      startNode({ ...shared, runs: ["guard"] }),
      startNode({ ...shared, runs: ["callee"] }),
      startNode({ ...shared, runs: ["caller"] }),
    ]);
    return { caller, callee };
  };
  const [ours, bare] = await Promise.all([startSide(OURS), startSide(BARE)]);
  return { nats, nodes: { [OURS]: ours, [BARE]: bare } };
}
