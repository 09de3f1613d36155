import { type Child, startChild } from "../harness/processes.ts";
import type { Load, Outcome } from "./load.ts";
import type { NodeArguments } from "./node.ts";

/** A node. Asked with a load, it calls the callee. */
export type NodeProcess = Child<Load, Outcome>;

/** Starts a node, and waits until it is ready. */
export const startNode = (settings: NodeArguments): Promise<NodeProcess> =>
  startChild(new URL("./node.ts", import.meta.url), { settings });
