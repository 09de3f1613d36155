import type { ClientEvents, ServerEvents, Subscriptions } from "./api.ts";
import { ClientError, errorIn } from "./errors.ts";
import { type DataOf, Subscription, type SubscriptionRequest } from "./subscription.ts";

/** What the subscriptions need of the client. */
interface Link {
  readonly isConnected: () => boolean;
  readonly connect: () => void;
  readonly send: <K extends "subscribe" | "unsubscribe">(
    event: K,
    data: ClientEvents[K]["data"],
  ) => Promise<ClientEvents[K]["ack"]>;
}

/** All subscriptions of a client. */
export class SubscriptionSet {
  readonly #link: Link;
  readonly #all = new Set<Subscription>();
  /** By their ids on the current connection. */
  readonly #started = new Map<string, Subscription>();
  /** Counts the disconnections: an id is worth nothing on the next connection. */
  #disconnections = 0;
  /** How many requests are not acknowledged yet. */
  #pending = 0;
  /** What arrives meanwhile for unknown ids: promises may report the acknowledgement later than that. */
  readonly #early = new Map<string, ((subscription: Subscription) => void)[]>();

  constructor(link: Link) {
    this.#link = link;
  }

  add<E extends keyof Subscriptions & string>(
    event: E,
    params: Subscriptions[E]["params"],
    listener: (data: DataOf<E>) => void,
  ): Subscription<DataOf<E>> {
    const subscription = new Subscription<DataOf<E>>(
      { event, params },
      {
        isConnected: this.#link.isConnected,
        subscribe: (one, request) => this.#subscribe(one, request),
        remove: (one, id) => this.#remove(one, id),
      },
    );
    subscription.on("event", listener);
    this.#all.add(subscription);
    this.#link.connect();
    void subscription.connected();
    return subscription;
  }

  connected(): void {
    for (const one of this.#all) void one.connected();
  }

  disconnected(): void {
    this.#disconnections += 1;
    this.#started.clear();
    for (const one of this.#all) one.disconnected();
  }

  /** The client was closed, or the user has signed out. */
  close(error: ClientError): void {
    this.disconnected();
    for (const one of this.#all) one.end(error);
  }

  received({ subscription, data }: ServerEvents["event"]): void {
    this.#whenStarted(subscription, (one) => one.received(data));
  }

  ended({ id, error }: ServerEvents["subscription:end"]): void {
    this.#whenStarted(id, (one) => one.end(errorIn(error)));
  }

  async #subscribe(subscription: Subscription, request: SubscriptionRequest): Promise<void> {
    const before = this.#disconnections;
    this.#pending += 1;
    try {
      const { id } = await this.#link.send("subscribe", request);
      if (before !== this.#disconnections) throw new ClientError({ type: "Disconnected" });
      if (!subscription.started(id)) return this.#unsubscribe(id);
      this.#started.set(id, subscription);
      for (const handle of this.#early.get(id) ?? []) handle(subscription);
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) this.#early.clear();
    }
  }

  #remove(subscription: Subscription, id: string | undefined): void {
    this.#all.delete(subscription);
    for (const [known, one] of this.#started) if (one === subscription) this.#started.delete(known);
    if (id !== undefined) this.#unsubscribe(id);
  }

  /** If it is not sent, the subscription ends with the connection. */
  #unsubscribe(id: string): void {
    if (this.#link.isConnected()) this.#link.send("unsubscribe", { id }).catch(() => {});
  }

  #whenStarted(id: string, handle: (subscription: Subscription) => void): void {
    const known = this.#started.get(id);
    if (known) handle(known);
    else if (this.#pending > 0) this.#early.set(id, [...(this.#early.get(id) ?? []), handle]);
  }
}
