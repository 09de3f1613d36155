/**
 * The guard's time, in milliseconds since the epoch. It runs with the monotonic clock, so that a change of
 * the system's clock neither prolongs nor ends an identity. Until a guard has told its time it is the system's.
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
   * Takes over the time that a guard has told.
   *
   * @param roundTrip how long the request for it took, in milliseconds
   */
  set(time: number, roundTrip: number): void {
    this.#offset = time + roundTrip / 2 - performance.now();
  }
}
