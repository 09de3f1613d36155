import { NodeProcess } from "../node-process.ts";

/** The moments at which a node can kill itself. */
export type Moment = "between the commit and the broadcast";

export type Node = NodeProcess<Moment>;

/** A node with some of the application's services. */
export const makeNode = (name: string, services: string[], env: NodeJS.ProcessEnv): Node =>
  new NodeProcess({ name, script: new URL("./node.ts", import.meta.url), services, env });
