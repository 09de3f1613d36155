import type { GuardNode } from "./guard-node.ts";

/** A row of the REPL's `nodes`. */
export interface ProvedNode {
  nodeID: string;
  isLocal: boolean;
  services: string[];
  /** How long this process has known its key, in seconds. */
  keyAge: number;
  framesOpened: number;
  framesRefused: number;
}

/** This node, and the nodes that have proved themselves to it. */
export function nodesOf(node: GuardNode): ProvedNode[] {
  const { statistics, identities, keys, nodeID, bus } = node;
  const ageOf = (at: number) => Math.round((Date.now() - at) / 1_000);
  const own: ProvedNode = {
    nodeID,
    isLocal: true,
    services: identities.valid().map(({ service }) => service),
    keyAge: ageOf(keys.current.createdAt),
    framesOpened: statistics.total.framesOpened,
    framesRefused: [...statistics.total.refused.values()].reduce((sum, count) => sum + count, 0),
  };
  const others = [...(bus?.peers.proved() ?? [])].map((peer) => ({
    nodeID: peer.nodeID,
    isLocal: false,
    services: [...peer.services.keys()],
    keyAge: ageOf(peer.provedAt),
    framesOpened: statistics.of(peer.nodeID).framesOpened,
    framesRefused: statistics.of(peer.nodeID).refused,
  }));
  return [own, ...others];
}
