import type { ServiceBroker } from "moleculer";
import { guardNodeOf } from "./node/attachment.ts";
import { nodesOf } from "./node/node-list.ts";

/** A command for Moleculer's REPL: `nodes` lists the proved nodes, in place of Moleculer's own list. */
export const nodesCommand = {
  command: "nodes",
  description: "List nodes, their proved services, key age, frames opened and refused.",
  action(broker: ServiceBroker): void {
    const rows = nodesOf(guardNodeOf(broker)).map((node) => ({
      node: node.isLocal ? `${node.nodeID} (this)` : node.nodeID,
      services: node.services.join(", "),
      "key age (s)": node.keyAge,
      "frames opened": node.framesOpened,
      "frames refused": node.framesRefused,
    }));
    // the REPL's output, not a log
    // oxlint-disable-next-line no-console
    console.table(rows);
  },
};
