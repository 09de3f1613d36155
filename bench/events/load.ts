import { setTimeout } from "node:timers/promises";
import { quantile } from "../harness/statistics.ts";

// The two sides of a measurement. Both processes read the same clock.

export interface EmitLoad {
  event: string;
  /** In milliseconds. */
  duration: number;
  /** Events in a second; without it, 50 at a time, as many as possible. */
  rate?: number;
}

export interface Emitted {
  count: number;
  /** In milliseconds of the clock of all processes. */
  began: number;
}

export interface Handled {
  /** When the last event was handled. */
  ended: number;
  /** Latencies in milliseconds. */
  p50: number;
  p99: number;
}

/** 200 bytes of JSON. */
const TEXT = "x".repeat(150);
const KEYS = 100;
const AT_ONCE = 50;

/** The monotonic clock of the system, in milliseconds. */
const clock = (): number => Number(process.hrtime.bigint()) / 1e6;

export interface Payload {
  customer: string;
  /** When it was emitted. */
  text: string;
}

const payload = (at: number): Payload => ({
  customer: `customer ${at % KEYS}`,
  text: `${clock()} ${TEXT}`,
});

/** @param emit emits one event, in a transaction where the side has one */
export async function emitAll(
  { duration, rate }: EmitLoad,
  emit: (payload: Payload) => Promise<unknown>,
): Promise<Emitted> {
  const began = clock();
  let count = 0;
  const emitOne = () => emit(payload(count++));
  if (rate === undefined) {
    const work = async () => {
      while (clock() < began + duration) await emitOne();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return { count, began };
  }
  const running: Promise<unknown>[] = [];
  while (clock() < began + duration) {
    running.push(emitOne());
    const due = began + (running.length * 1_000) / rate;
    await setTimeout(Math.max(0, due - clock()));
  }
  await Promise.all(running);
  return { count, began };
}

/** Counts handled events. */
export class Receiver {
  readonly #latencies: number[] = [];
  #expected = Infinity;
  #done: ((handled: Handled) => void) | undefined;

  handle({ text }: Payload): void {
    this.#latencies.push(clock() - Number(text.split(" ", 1)[0]));
    this.#check();
  }

  /** Waits until so many events were handled since the last call. */
  expect(count: number): Promise<Handled> {
    const { promise, resolve } = Promise.withResolvers<Handled>();
    this.#done = resolve;
    this.#expected = count;
    this.#check();
    return promise;
  }

  #check(): void {
    if (this.#latencies.length < this.#expected) return;
    const sorted = Float64Array.from(this.#latencies).toSorted();
    this.#latencies.length = 0;
    this.#expected = Infinity;
    this.#done?.({ ended: clock(), p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) });
  }
}
