export interface NodeSettings {
  /** The services that run in this process. */
  readonly services: string[];
}

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

/** A request; or without one, the moment of the node's death. */
export interface ToNode {
  readonly arm?: Moment | undefined;
  readonly id?: number;
  readonly ask?: keyof Requests;
  readonly params?: unknown;
}

export interface FromNode {
  readonly started?: true;
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
}
