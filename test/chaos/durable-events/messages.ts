import { NodeProcess } from "../node-process.ts";

/** The moments at which a node can kill itself. */
export type Moment = "after the commit" | "before the commit" | "before the response";

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly number: number;
}

/** What a node does for the test: each request by its parameters and result. */
export interface Requests {
  place: (order: Order) => Promise<void>;
  ship: (shipment: { id: string; duration: number }) => Promise<void>;
  invoices: () => Promise<{ order: string; customer: string; number: number }[]>;
}

/** A node with some of the services `guard`, `orders` and `billing`. */
export type OrdersNode = NodeProcess<Moment, Requests>;

export const makeNode = (name: string, services: string[], env: NodeJS.ProcessEnv): OrdersNode =>
  new NodeProcess({ name, script: new URL("./node.ts", import.meta.url), services, env });
