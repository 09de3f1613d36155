import type { ClientEvents, Subscriptions } from "./api.ts";
import { delayAfter, Pause } from "./backoff.ts";
import { Emitter } from "./emitter.ts";
import { ClientError, closed, isTransientEvent } from "./errors.ts";

/** The event's name and the filter. */
export type SubscriptionRequest = ClientEvents["subscribe"]["data"];

/** The data of an event to which a client can subscribe. */
export type DataOf<E extends keyof Subscriptions> = Subscriptions[E]["data"];

/** What a subscription needs of the client. */
interface Owner {
  readonly isConnected: () => boolean;
  /** Sends the request; `started` is called with the id. @throws ClientError */
  readonly subscribe: (subscription: Subscription, request: SubscriptionRequest) => Promise<void>;
  /** The subscription has ended. @param id what the server calls it */
  readonly remove: (subscription: Subscription, id: string | undefined) => void;
}

interface Events<Data> {
  event: Data;
  end: ClientError;
}

/** A subscription to an event. After each reconnection it subscribes again. */
export class Subscription<Data = unknown> extends Emitter<Events<Data>> {
  readonly #request: SubscriptionRequest;
  readonly #owner: Owner;
  readonly #ready = Promise.withResolvers<void>();
  readonly #pause = new Pause();
  /** The id on the current connection. */
  #id: string | undefined;
  #hasEnded = false;
  #isSubscribing = false;

  /** For the client. */
  constructor(request: SubscriptionRequest, owner: Owner) {
    super();
    this.#request = request;
    this.#owner = owner;
    this.#ready.promise.catch(() => {});
  }

  /** Resolves when the server has accepted the subscription for the first time. Rejects with the error that ends it. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * Calls the listener when something else than `unsubscribe` has ended the subscription: the user may not have it, or no
   * longer, has signed out, or the client was closed. Returns a function that removes the listener.
   */
  onEnd(listener: (error: ClientError) => void): () => void {
    return this.on("end", listener);
  }

  /** Ends the subscription. No event is delivered from now on. */
  unsubscribe(): void {
    if (!this.#hasEnded) this.#stop(closed(), this.#id);
  }

  /** For the client: the socket is connected. Subscribes until it succeeds, is refused or the socket is disconnected. */
  async connected(): Promise<void> {
    this.#pause.end();
    if (this.#isSubscribing) return;
    this.#isSubscribing = true;
    for (let attempt = 0; this.#isMissing(); attempt++)
      try {
        await this.#owner.subscribe(this, this.#request);
      } catch (error) {
        if (isFinal(error)) this.end(error);
        else await this.#pause.wait(delayAfter(error, attempt));
      }
    this.#isSubscribing = false;
  }

  /** For the client: the server has accepted it. Returns whether it is still wanted. */
  started(id: string): boolean {
    if (this.#hasEnded) return false;
    this.#id = id;
    this.#ready.resolve();
    return true;
  }

  /** For the client: the socket is disconnected. */
  disconnected(): void {
    this.#id = undefined;
  }

  /** For the client: the server has sent an event. */
  received(data: unknown): void {
    // the server sends what the contract declares
    if (!this.#hasEnded) this.emit("event", data as Data);
  }

  /** For the client: the subscription has ended, on the server, too. */
  end(error: ClientError): void {
    if (this.#hasEnded) return;
    this.#stop(error);
    this.emit("end", error);
  }

  #isMissing(): boolean {
    return !this.#hasEnded && this.#id === undefined && this.#owner.isConnected();
  }

  #stop(error: ClientError, id?: string): void {
    this.#hasEnded = true;
    this.#ready.reject(error);
    this.#pause.end();
    this.#owner.remove(this, id);
  }
}

/** A refused subscription. Without `retryAfter`, 429 says that this socket has too many of them. */
const isFinal = (error: unknown): error is ClientError =>
  !isTransientEvent(error) ||
  (error instanceof ClientError && error.code === 429 && error.retryAfter === undefined);
