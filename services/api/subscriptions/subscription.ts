import type { SubscribableEvent } from "../../../lib/contract/declarations/subscribable-events.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";
import { mustMeet, type Requirement } from "../../../middlewares/auth/index.ts";
import { idOf, type Payload } from "../payloads.ts";

type Claims = AccessTokenClaims | undefined;

/** Who subscribes, and how events reach them. */
export interface Subscriber {
  /**
   * The claims of the subscriber's access token, verified now; undefined if there is none. It is asked at each delivery.
   *
   * @throws CitadelError for an expired, outdated or revoked token
   */
  readonly identity: () => Claims | Promise<Claims>;
  /** Whether the subscriber is in this room of the service. */
  readonly inRoom: (service: string, id: string) => boolean;
  readonly deliver: (data: Payload) => void;
  /** The subscription has ended, since the subscriber lacks what it needs. */
  readonly end: (error: unknown) => void;
}

/** The most events that wait while a token is verified. Later ones are lost. */
const MAX_HELD = 100;

/** A subscription of one subscriber to one event. */
export class Subscription {
  readonly #subscriber: Subscriber;
  readonly #event: SubscribableEvent;
  readonly #requirement: Requirement;
  readonly #filter: readonly (readonly [field: string, value: unknown])[];
  readonly #removed: () => void;
  /** Events that wait for the verification of the token, in order. */
  #held: Payload[] | undefined;
  #isRemoved = false;

  constructor(
    subscriber: Subscriber,
    {
      event,
      requirement,
      filter,
      removed,
    }: {
      event: SubscribableEvent;
      requirement: Requirement;
      filter: Payload;
      removed: (subscription: Subscription) => void;
    },
  ) {
    this.#subscriber = subscriber;
    this.#event = event;
    this.#requirement = requirement;
    this.#filter = Object.entries(filter);
    this.#removed = () => removed(this);
  }

  /** Delivers an event if the subscriber may have it now. */
  offer(data: Payload): void {
    // the cheapest check first: most events match few filters
    if (!this.#filter.every(([field, value]) => data[field] === value)) return;
    if (this.#held) {
      if (this.#held.length < MAX_HELD) this.#held.push(data);
      return;
    }
    const claims = this.#claims();
    if (claims instanceof Promise) void this.#hold(claims, data);
    else this.#give(claims, data);
  }

  /** Ends the subscription if the subscriber may not have it any more. Call it after a change of the token. */
  async recheck(): Promise<void> {
    const claims = await this.#claims();
    if (claims) this.#isPermitted(claims);
  }

  /** No event is delivered from now on. */
  remove(): void {
    this.#isRemoved = true;
    this.#removed();
  }

  async #hold(verifying: Promise<Claims>, first: Payload): Promise<void> {
    this.#held = [];
    this.#give(await verifying, first);
    for (let next = this.#held.shift(); next; next = this.#held.shift())
      this.#give(await this.#claims(), next);
    this.#held = undefined;
  }

  /** Undefined without a token that is valid now: then nothing is delivered. */
  #claims(): Claims | Promise<Claims> {
    try {
      const claims = this.#subscriber.identity();
      return claims instanceof Promise ? claims.catch(() => undefined) : claims;
    } catch {
      return undefined;
    }
  }

  #give(claims: Claims, data: Payload): void {
    if (!claims || !this.#isPermitted(claims) || !this.#isVisible(claims, data)) return;
    this.#subscriber.deliver(data);
  }

  /** Ends the subscription unless these claims permit it. */
  #isPermitted(claims: AccessTokenClaims): boolean {
    if (this.#isRemoved) return false;
    try {
      mustMeet(claims, this.#requirement);
      return true;
    } catch (error) {
      this.remove();
      this.#subscriber.end(error);
      return false;
    }
  }

  #isVisible({ sub }: AccessTokenClaims, data: Payload): boolean {
    const { service, subscribe } = this.#event;
    const { visible } = subscribe;
    if (visible === "all") return true;
    return "user" in visible
      ? data[visible.user] === sub
      : this.#subscriber.inRoom(service, idOf(data, visible.room));
  }
}
