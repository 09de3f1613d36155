import type { Schema } from "../schemas/infer.ts";
import type { ServerEventContract } from "./socket.ts";
import type { SubscriptionContract } from "./subscription.ts";

/** An event that a service emits. */
export interface EmitContract {
  readonly description: string;
  readonly params: Schema;
  /** The sockets that receive it, too. */
  readonly socket?: ServerEventContract;
  /** Clients may subscribe to it. An event has either `socket` or `subscribe`. */
  readonly subscribe?: SubscriptionContract;
  /**
   * It is emitted in a transaction, `events.emit(trx, …)`, and is delivered after the commit, whatever dies meanwhile: to
   * each service that handles it, once; with `broadcast` to each node that handles it and runs then.
   */
  readonly durable?: true;
  /** A durable event for every node, such as a change of what nodes keep in memory. */
  readonly broadcast?: true;
  /**
   * The parameter that orders durable events: those of this service with the same value are handled one after the other,
   * in the order in which they were emitted. A failed one holds the later ones back.
   */
  readonly orderBy?: string;
}
