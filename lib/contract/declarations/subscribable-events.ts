import type { Access } from "./access.ts";
import type { ServiceContract } from "../contract.ts";
import type { Schema } from "../schemas/infer.ts";
import { GATEWAY } from "../route.ts";
import { withoutEpoch } from "./socket-events.ts";
import type { SubscriptionContract } from "./subscription.ts";

type Contracts = ReadonlyMap<string, ServiceContract>;

/** An emitted event to which clients subscribe. */
export interface SubscribableEvent {
  /** The service that emits it, and that owns the room. */
  readonly service: string;
  /** Its name among services and for clients, `"posts.created"`. */
  readonly name: string;
  readonly description: string;
  readonly params: Schema;
  readonly subscribe: SubscriptionContract;
}

/** Every event to which clients may subscribe. */
export function subscribableEvents(contracts: Contracts): SubscribableEvent[] {
  return [...contracts.values()].flatMap(({ name: service, emits = {} }) =>
    Object.entries(emits).flatMap(([name, { description, params, subscribe }]) =>
      subscribe ? [{ service, name, description, params, subscribe }] : [],
    ),
  );
}

/** The fields of an event that subscribers receive: all but the epoch. */
export const fieldsOfSubscription = ({ params, subscribe }: SubscribableEvent): Schema =>
  withoutEpoch(params, subscribe.visible);

/** Who may subscribe, through the gateway. */
export function accessOfSubscription({ subscribe }: SubscribableEvent): Access {
  const { params: _params, visible: _visible, ...access } = subscribe;
  return { restricted: [GATEWAY], ...access };
}
