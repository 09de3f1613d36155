/**
 * The guard's time, in milliseconds since the epoch. It follows the monotonic clock, so that a change of the
 * system's clock neither extends nor ends an identity. Before the first GRANT it is the system's time.
 */
export class GuardClock {
  #offset: number | undefined;

  get isSet(): boolean {
    return this.#offset !== undefined;
  }

  now(): number {
    return this.#offset === undefined ? Date.now() : performance.now() + this.#offset;
  }

  /**
   * Sets the time that a guard has sent.
   *
   * @param roundTrip how long the request took, in milliseconds
   */
  set(time: number, roundTrip: number): void {
    this.#offset = time + roundTrip / 2 - performance.now();
  }
}
