type Listener<T> = (data: T) => void;

/** Events with typed data. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls the listener on each event. Returns a function that removes it. */
  on<K extends keyof Events>(event: K, listener: Listener<Events[K]>): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  }

  /** A listener that throws disturbs neither the other listeners nor the client: its error is an uncaught one. */
  protected emit<K extends keyof Events>(event: K, data: Events[K]): void {
    for (const listener of this.#listeners.get(event) ?? [])
      try {
        // on() accepts only listeners of this event's data
        (listener as Listener<Events[K]>)(data);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
  }
}
