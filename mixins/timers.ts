import type { Service, ServiceSchema } from "moleculer";

interface Timed extends Service {
  /** What ends each. */
  timers?: (() => Promise<void>)[];
}

/**
 * Runs something again and again while the service does, one run after the other. What fails is logged,
 * and tried again the next time.
 *
 * @param interval between two runs, in milliseconds
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
      service.logger.warn({ err: error }, "Something that is done time and again failed.");
    }
    schedule();
  };
  schedule();
  ((service as Timed).timers ??= []).push(async () => {
    isStopped = true;
    clearTimeout(timer);
    await running;
  });
}

/** Ends what `every` began. It stands behind the mixins that are needed until then. */
export const timers: Partial<ServiceSchema> = {
  async stopped(this: Timed) {
    await Promise.all((this.timers ?? []).map((stop) => stop()));
  },
};
