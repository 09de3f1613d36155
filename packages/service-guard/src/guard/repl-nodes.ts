import type { ServiceBroker } from "moleculer";
import type { GuardNode } from "../node/guard-node.ts";
import { nodesOf } from "../node/node-list.ts";

/** As much of Node's REPLServer as is used. */
interface ReplServer {
  eval: (line: string, context: object, file: string, done: (error: null) => void) => void;
}

/**
 * Lets `nodes` in Moleculer's REPL list the proved nodes. The REPL takes no command of a name that it has, so its
 * evaluation is wrapped; `nodes --details` and the like remain Moleculer's.
 */
export function showProvedNodes(broker: ServiceBroker, node: GuardNode): void {
  const startRepl = broker.repl;
  broker.repl = () => {
    // Moleculer's types leave out what it returns; nothing without the package moleculer-repl
    const server = startRepl.call(broker) as unknown as ReplServer | undefined;
    if (!server) return;
    const evaluate = server.eval;
    server.eval = (line, context, file, done) => {
      if (line.trim() !== "nodes") return evaluate.call(server, line, context, file, done);
      print(node);
      done(null);
    };
  };
}

function print(node: GuardNode): void {
  const rows = nodesOf(node).map((one) => ({
    node: one.isLocal ? `${one.nodeID} (this)` : one.nodeID,
    services: one.services.join(", "),
    "key age (s)": one.keyAge,
    "frames opened": one.framesOpened,
    "frames refused": one.framesRefused,
  }));
  // the REPL's output, not a log
  // oxlint-disable-next-line no-console
  console.table(rows);
}
