export interface NodeSettings {
  /** The services that run in this process. */
  readonly services: string[];
}

/** What a node does for the test: each request by its parameters and result. */
export type RequestMap = Record<string, (params: never) => Promise<unknown>>;

/** A request; or without one, the moment of the node's death. */
export interface ToNode<Moment = string> {
  readonly arm?: Moment | undefined;
  readonly id?: number;
  readonly ask?: string;
  readonly params?: unknown;
}

export interface FromNode {
  readonly started?: true;
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
}
