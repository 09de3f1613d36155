import type { Service } from "moleculer";
import {
  accessOfSubscription,
  type SubscribableEvent,
} from "../../../lib/contract/declarations/subscribable-events.ts";
import { strictParams } from "../../../lib/contract/schemas/strict.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { mustMeet, type Requirement, requirementOf } from "../../../middlewares/auth/index.ts";
import { idOf, type Payload, payloadReader, reader, splitEpoch } from "../payloads.ts";
import { type Subscriber, Subscription } from "./subscription.ts";

/** The key of all subscriptions to an event that is not for one user. */
const EVERYBODY = "";

/** Delivers an event of a room once no removed user is in it. Without an epoch that is at once. */
export type InRoom = (
  room: { service: string; id: string; epoch: number },
  deliver: () => void,
) => void;

/** One event and the subscriptions to it. */
export class Topic {
  readonly #event: SubscribableEvent;
  readonly #requirement: Requirement;
  readonly #readFilter: (params: unknown) => Payload;
  readonly #readPayload: (payload: unknown) => Payload;
  readonly #whenChecked: InRoom;
  /** The fields with the id of the user or the room that may see an event. */
  readonly #visible: { readonly user?: string; readonly room?: string };
  /** An event for one user is offered only to that user's subscriptions: they are by the user's id. */
  readonly #subscriptions = new Map<string, Set<Subscription>>();

  constructor(
    api: Pick<Service, "broker">,
    event: SubscribableEvent,
    { whenChecked }: { whenChecked: InRoom },
  ) {
    this.#event = event;
    this.#requirement = requirementOf(accessOfSubscription(event));
    this.#readFilter = reader(api.broker, strictParams(event.subscribe.params ?? {}));
    this.#readPayload = payloadReader(api, event.params);
    this.#whenChecked = whenChecked;
    const { visible } = event.subscribe;
    this.#visible = visible === "all" ? {} : visible;
  }

  /** @throws CitadelError AccessTokenRequired, UserNotAuthorized, VALIDATION_ERROR, and what `identity` throws */
  async add(params: unknown, subscriber: Subscriber): Promise<Subscription> {
    const claims = await subscriber.identity();
    if (!claims) throw new CitadelError("AccessTokenRequired");
    mustMeet(claims, this.#requirement);
    const filter = this.#readFilter(params);
    const key = this.#visible.user === undefined ? EVERYBODY : claims.sub;
    const subscription = new Subscription(subscriber, {
      event: this.#event,
      requirement: this.#requirement,
      filter,
      removed: (one) => this.#remove(key, one),
    });
    this.#subscriptions.set(key, (this.#subscriptions.get(key) ?? new Set()).add(subscription));
    return subscription;
  }

  /** Offers an event to the subscriptions. @throws CitadelError VALIDATION_ERROR for a payload that does not fit */
  publish(given: unknown): void {
    if (this.#subscriptions.size === 0) return;
    const { service, subscribe } = this.#event;
    const { room } = this.#visible;
    const { epoch, shown } = splitEpoch(subscribe.visible, this.#readPayload(given));
    const offer = () => this.#offer(shown);
    if (epoch === undefined || room === undefined) return offer();
    this.#whenChecked({ service, id: idOf(shown, room), epoch }, offer);
  }

  #offer(data: Payload): void {
    const { user } = this.#visible;
    const key = user === undefined ? EVERYBODY : idOf(data, user);
    for (const subscription of this.#subscriptions.get(key) ?? []) subscription.offer(data);
  }

  #remove(key: string, subscription: Subscription): void {
    const subscriptions = this.#subscriptions.get(key);
    subscriptions?.delete(subscription);
    if (subscriptions?.size === 0) this.#subscriptions.delete(key);
  }
}
