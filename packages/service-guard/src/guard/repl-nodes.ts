import type { ServiceBroker } from "moleculer";
import type { GuardNode } from "../node/guard-node.ts";
import { nodesOf } from "../node/node-list.ts";

/** The part of Node's REPLServer that is used here. */
interface ReplServer {
  eval: (line: string, context: object, file: string, done: (error: null) => void) => void;
}

/**
 * Makes `nodes` in Moleculer's REPL list the proved nodes. The REPL accepts no custom command with the name of its own,
 * so its evaluation is wrapped. `nodes --details` and others remain Moleculer's.
 */
export function showProvedNodes(broker: ServiceBroker, node: GuardNode): void {
  const startRepl = broker.repl;
  broker.repl = () => {
    // Moleculer's types leave out the result; it is undefined without the package moleculer-repl
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
  // this is the REPL's output, not a log
  // oxlint-disable-next-line no-console
  console.table(rows);
}
