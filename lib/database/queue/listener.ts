import { Client, type ClientConfig, escapeIdentifier } from "pg";
import type { QueueDatabase } from "./queue-database.ts";

/** The pauses between attempts to connect, in milliseconds. */
const MIN_PAUSE = 250;
const MAX_PAUSE = 5_000;

/** After how long without data the system probes the connection, in milliseconds. A lost server is noticed 10 s later. */
const KEEP_ALIVE_DELAY = 10_000;

interface Subscription {
  channel: string;
  onNotification: (payload: string) => void;
  onReconnect: () => void;
}

/**
 * Receives notifications (LISTEN) for all services of a process, on a connection of its own: those of a pool are closed
 * after some time. It is open while there are subscriptions, and is opened again when it breaks.
 */
export class Listener {
  readonly #config: ClientConfig;
  readonly #onError: (error: Error) => void;
  readonly #subscriptions = new Set<Subscription>();
  #client: Client | undefined;
  #connecting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause = MIN_PAUSE;
  /** Settles when all statements so far have been executed: a client takes one at a time. */
  #executed: Promise<unknown> = Promise.resolve();

  /** @param onError called once per outage */
  constructor(config: ClientConfig, onError: (error: Error) => void) {
    this.#config = { ...config, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY };
    this.#onError = onError;
  }

  /**
   * Subscribes to a channel. While the server is unavailable, this returns after the first attempt, and later ones follow.
   *
   * @param onReconnect called after each subscription: notifications may have been missed before it
   */
  async listen(
    channel: string,
    onNotification: (payload: string) => void,
    onReconnect: () => void,
  ): ReturnType<QueueDatabase["listen"]> {
    const subscription = { channel, onNotification, onReconnect };
    this.#subscriptions.add(subscription);
    if (this.#client) await this.#subscribe(this.#client, subscription);
    // the timer's attempt includes this subscription
    else if (!this.#timer) await (this.#connecting ??= this.#connect());
    return { close: () => this.#unsubscribe(subscription) };
  }

  async #connect(): Promise<void> {
    this.#timer = undefined;
    const client = new Client(this.#config);
    // it would otherwise end the process; the end of the connection follows
    let fault: Error | undefined;
    client.on("error", (error) => (fault ??= error));
    client.on("notification", ({ channel, payload = "" }) => {
      for (const subscription of this.#subscriptions)
        if (subscription.channel === channel) subscription.onNotification(payload);
    });
    try {
      await client.connect();
    } catch (error) {
      this.#connecting = undefined;
      this.#retry(error as Error);
      return;
    }
    this.#connecting = undefined;
    if (this.#subscriptions.size === 0) return void client.end();
    this.#client = client;
    client.once("end", () => this.#lost(client, fault ?? new Error("The connection was closed.")));
    await Promise.all([...this.#subscriptions].map((each) => this.#subscribe(client, each)));
  }

  async #subscribe(client: Client, { channel, onReconnect }: Subscription): Promise<void> {
    try {
      await this.#execute(client, `LISTEN ${escapeIdentifier(channel)}`);
    } catch (error) {
      this.#lost(client, error as Error);
      void client.end();
      return;
    }
    this.#pause = MIN_PAUSE;
    onReconnect();
  }

  async #unsubscribe(subscription: Subscription): Promise<void> {
    if (!this.#subscriptions.delete(subscription)) return;
    const client = this.#client;
    if (this.#subscriptions.size === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#client = undefined;
      this.#pause = MIN_PAUSE;
      // not awaited: a server that does not respond never confirms it
      void client?.end();
      return;
    }
    const { channel } = subscription;
    if (client && ![...this.#subscriptions].some((other) => other.channel === channel))
      await this.#execute(client, `UNLISTEN ${escapeIdentifier(channel)}`).catch(() => undefined);
  }

  #execute(client: Client, text: string): Promise<unknown> {
    const executing = this.#executed.then(() => client.query(text));
    this.#executed = executing.catch(() => undefined);
    return executing;
  }

  #lost(client: Client, error: Error): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#retry(error);
  }

  #retry(error: Error): void {
    if (this.#subscriptions.size === 0) return;
    if (this.#pause === MIN_PAUSE) this.#onError(error);
    this.#timer = setTimeout(() => {
      this.#connecting = this.#connect();
    }, this.#pause);
    this.#pause = Math.min(this.#pause * 2, MAX_PAUSE);
  }
}
