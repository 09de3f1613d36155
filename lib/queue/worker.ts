import { setTimeout as delay } from "node:timers/promises";

/** How long an idle worker waits without being woken, in milliseconds: a notification may have been lost. */
const IDLE_INTERVAL = 30_000;
/** The pauses after a failed fetch, in milliseconds: the database is unreachable. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/**
 * How long a worker rests after a fetch without a job, as a multiple of the time that it took. Where all keys of a long queue
 * are being delivered, each new event wakes the workers, and each fetch reads the whole queue.
 */
const REST = 4;
const LONGEST_REST = 1_000;

interface WorkerOptions<Job> {
  /** Takes jobs from the queue. */
  readonly fetch: () => Promise<Job[]>;
  /** Runs jobs and settles them in the queue. */
  readonly run: (jobs: readonly Job[]) => Promise<void>;
  /** How many fetches may be running at the same time. */
  readonly concurrency: number;
  /** Called with the first error of an outage, and with nothing when it is over. */
  readonly onOutage: (error?: unknown) => void;
}

/** Takes jobs from one queue whenever it is woken and has room, and runs them. */
export class Worker<Job> {
  readonly #options: WorkerOptions<Job>;
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;
  #isPaused = false;
  #isWoken = false;
  #endSleep: (() => void) | undefined;
  #pause = 0;
  /** When it may fetch again. */
  #restsUntil = 0;
  #loop: Promise<void> | undefined;

  constructor(options: WorkerOptions<Job>) {
    this.#options = options;
  }

  start(): void {
    this.#loop ??= this.#work();
  }

  /** There may be jobs. */
  wake(): void {
    this.#isWoken = true;
    this.#endSleep?.();
  }

  /** Wakes it after some time, in milliseconds: a job is retried then. */
  wakeIn(time: number): void {
    setTimeout(() => this.wake(), time).unref();
  }

  /** Takes no jobs for some time, in milliseconds. */
  rest(time: number): void {
    this.#restsUntil = performance.now() + time;
  }

  /** A paused worker takes no jobs. */
  setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    this.wake();
  }

  /** Takes no more jobs, and waits until none is running, for at most `timeout` milliseconds. */
  async stop(timeout: number): Promise<void> {
    this.#isStopped = true;
    this.wake();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, timeout);
    await Promise.race([this.#whenIdle(), late.promise]);
    clearTimeout(timer);
  }

  async #whenIdle(): Promise<void> {
    await this.#loop;
    await Promise.all(this.#running);
  }

  async #work(): Promise<void> {
    while (!this.#isStopped) {
      if (this.#isPaused || this.#running.size >= this.#options.concurrency) await this.#sleep();
      else if (this.#restsUntil > performance.now())
        await delay(this.#restsUntil - performance.now(), undefined, { ref: false });
      else if ((await this.#takeJobs()) === 0) await this.#sleep(this.#pause || IDLE_INTERVAL);
    }
  }

  /** @returns how many jobs it took */
  async #takeJobs(): Promise<number> {
    const { fetch, run, onOutage } = this.#options;
    this.#isWoken = false;
    const began = performance.now();
    try {
      const jobs = await fetch();
      if (jobs.length === 0) this.rest(Math.min(LONGEST_REST, REST * (performance.now() - began)));
      if (this.#pause > 0) onOutage();
      this.#pause = 0;
      if (jobs.length > 0) this.#track(run(jobs));
      return jobs.length;
    } catch (error) {
      if (this.#pause === 0) onOutage(error);
      this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2 || FIRST_PAUSE);
      // a notification does not help while the database is unreachable
      this.#isWoken = false;
      return 0;
    }
  }

  #track(work: Promise<void>): void {
    const running = work
      // what could not be settled is run again when its heartbeat has stopped
      .catch((error: unknown) => this.#options.onOutage(error))
      .finally(() => {
        this.#running.delete(running);
        this.wake();
      });
    this.#running.add(running);
  }

  /** Waits until it is woken, or for `duration` milliseconds. */
  async #sleep(duration?: number): Promise<void> {
    if (this.#isWoken || this.#isStopped) {
      this.#isWoken = false;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#endSleep = resolve;
    const timer = duration === undefined ? undefined : setTimeout(resolve, duration);
    timer?.unref();
    await promise;
    clearTimeout(timer);
    this.#endSleep = undefined;
  }
}
