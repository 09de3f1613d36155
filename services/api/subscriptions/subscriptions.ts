import type { Context, Service, ServiceSchema } from "moleculer";
import { contractsOf } from "../../../lib/context/attachment.ts";
import { accessOfServerEvent } from "../../../lib/contract/declarations/socket-events.ts";
import { subscribableEvents } from "../../../lib/contract/declarations/subscribable-events.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Subscriber, Subscription } from "./subscription.ts";
import { type InRoom, Topic } from "./topic.ts";

export type { Subscriber, Subscription };

/** What a client asks for: the values are as they have arrived. */
export interface SubscriptionRequest extends Subscriber {
  readonly event: unknown;
  readonly params?: unknown;
}

/** All subscriptions of a gateway's clients, over any protocol. A gateway has one of these. */
export class Subscriptions {
  readonly #api: Pick<Service, "broker">;
  /** By the event's name. */
  readonly #topics: ReadonlyMap<string, Topic>;

  constructor(api: Pick<Service, "broker">, options: { whenChecked: InRoom }) {
    this.#api = api;
    const events = subscribableEvents(contractsOf(api.broker));
    this.#topics = new Map(events.map((event) => [event.name, new Topic(api, event, options)]));
  }

  /**
   * Subscribes: events are delivered from now on, until `remove` or `end`.
   *
   * @throws CitadelError NotFound for an event to which nobody can subscribe; AccessTokenRequired, UserNotAuthorized,
   *   VALIDATION_ERROR; and what `identity` throws
   */
  async add({ event, params = {}, ...subscriber }: SubscriptionRequest): Promise<Subscription> {
    const topic = typeof event === "string" ? this.#topics.get(event) : undefined;
    if (!topic)
      throw new CitadelError("NotFound", { message: "There is no such event to subscribe to." });
    return topic.add(params, subscriber);
  }

  /** The gateway's handlers of the events to which clients subscribe. */
  eventHandlers(): NonNullable<ServiceSchema["events"]> {
    return Object.fromEntries(
      subscribableEvents(contractsOf(this.#api.broker)).map(({ service, name }) => {
        const handler = async (ctx: Context) => this.publish(name, ctx.params);
        return [name, { ...accessOfServerEvent(service), handler }];
      }),
    );
  }

  /** Delivers an event that its service has emitted. @throws CitadelError VALIDATION_ERROR for a payload that does not fit */
  publish(event: string, payload: unknown): void {
    this.#topics.get(event)?.publish(payload);
  }
}
