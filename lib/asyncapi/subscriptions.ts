import { namedPermissions } from "../contract/declarations/permission.ts";
import type { ServiceContract } from "../contract/contract.ts";
import {
  fieldsOfSubscription,
  type SubscribableEvent,
  subscribableEvents,
} from "../contract/declarations/subscribable-events.ts";
import { type JsonSchema, schemaOfParams, schemaOfResult } from "../openapi/json-schema.ts";
import { SUBSCRIBE_ERRORS, UNSUBSCRIBE_ERRORS } from "./errors.ts";
import type { DocumentedClientEvent, DocumentedServerEvent } from "./documented-events.ts";
import { ackOf, errorOf, object } from "./schemas.ts";

// The gateway's own events for subscriptions, with the events that contracts declare.

type Contracts = ReadonlyMap<string, ServiceContract>;

const ID: JsonSchema = { type: "string" };

/** `subscribe` and `unsubscribe`. */
export function subscriptionRequests(contracts: Contracts): DocumentedClientEvent[] {
  const subscribable = subscribableEvents(contracts);
  if (subscribable.length === 0) return [];
  return [
    {
      service: "api",
      event: "subscribe",
      description:
        "Subscribes to an event of a service: the socket receives it as `event` from the acknowledgement on. " +
        "With `params`, only events whose fields have these values.",
      payload: {
        oneOf: subscribable.map(requestOf),
        description: "The event's name as `event`, and the filter as `params`.",
      },
      result: object({ id: ID }),
      ack: ackOf(object({ id: ID }), SUBSCRIBE_ERRORS),
    },
    {
      service: "api",
      event: "unsubscribe",
      description: "Ends a subscription of this socket.",
      payload: { ...object({ id: ID }), additionalProperties: true },
      result: { type: "null" },
      ack: ackOf({ type: "null" }, UNSUBSCRIBE_ERRORS),
    },
  ];
}

/** The deliveries, one for each event to which clients may subscribe, and `subscription:end`. */
export function subscriptionEvents(contracts: Contracts): DocumentedServerEvent[] {
  const subscribable = subscribableEvents(contracts);
  if (subscribable.length === 0) return [];
  return [
    {
      service: "api",
      event: "subscription:end",
      description:
        "The server has ended a subscription: the user lacks what it needs since `auth:refresh`.",
      recipients: "the socket that has subscribed",
      payload: object({ id: ID, error: errorOf(["UserNotAuthorized"]) }),
    },
    ...subscribable.map(deliveryOf),
  ];
}

const requestOf = (event: SubscribableEvent): JsonSchema => ({
  ...object({ event: { const: event.name } }),
  properties: { event: { const: event.name }, params: filterOf(event) },
  // other fields are ignored
  additionalProperties: true,
});

const filterOf = ({ subscribe: { params = {} } }: SubscribableEvent): JsonSchema =>
  schemaOfParams({ ...params, $$strict: true });

function deliveryOf(event: SubscribableEvent): DocumentedServerEvent {
  const { service, name, description, subscribe } = event;
  const { $$strict: _strict, ...props } = fieldsOfSubscription(event);
  const data = schemaOfResult({ type: "object", props });
  return {
    service,
    event: "event",
    description,
    recipients: recipientsOf(subscribe),
    payload: object({ subscription: ID, event: { const: name }, data }),
    subscription: { event: name, params: filterOf(event), data },
  };
}

/** The subscribers who receive an event, and what they need. */
function recipientsOf({
  visible,
  permissions,
  roles,
  subjects,
}: SubscribableEvent["subscribe"]): string {
  const needed = namedPermissions(permissions);
  const needs = [
    ...(needed.length === 0
      ? []
      : [`the permission ${needed.map((one) => `\`${one}\``).join(" or ")}`]),
    ...(roles ? [`the role ${roles.map((role) => `\`${role}\``).join(" or ")}`] : []),
  ];
  const isOfKind = subjects ? ` of the kind ${subjects.join(" or ")}` : "";
  const whose =
    visible === "all"
      ? "every subscriber"
      : "user" in visible
        ? `the subscriptions of the user \`${visible.user}\``
        : `the subscribers whose socket is in the room \`${visible.room}\``;
  return `${whose}${isOfKind}${needs.length > 0 ? ` with ${needs.join(" and ")}` : ""}`;
}
