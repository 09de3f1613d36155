import type { Service, ServiceSchema } from "moleculer";

interface WithTimers extends Service {
  /** Stops each timer. */
  timers?: (() => Promise<void>)[];
}

/**
 * Runs a scheduled task until the service stops. Runs do not overlap. A failed run is logged, and the next one follows
 * as usual.
 *
 * @param interval between the end of a run and the next one, in milliseconds
 */
export function every(service: Service, interval: number, run: () => Promise<unknown>): void {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  const schedule = () => {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = runOnce();
    }, interval);
    timer.unref();
  };
  const runOnce = async () => {
    try {
      await run();
    } catch (error) {
      service.logger.warn({ err: error }, "A scheduled task failed.");
    }
    schedule();
  };
  schedule();
  ((service as WithTimers).timers ??= []).push(async () => {
    isStopped = true;
    clearTimeout(timer);
    await running;
  });
}

/** Stops the tasks of `every`, and waits for their runs. List it before the mixins that the tasks need. */
export const timers: Partial<ServiceSchema> = {
  async stopped(this: WithTimers) {
    await Promise.all((this.timers ?? []).map((stop) => stop()));
  },
};
