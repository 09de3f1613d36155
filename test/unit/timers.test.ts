import { ServiceBroker } from "moleculer";
import { afterEach, describe, expect, it, vi } from "vitest";
import { every, timers } from "../../mixins/timers.ts";

describe("a scheduled task", () => {
  const broker = new ServiceBroker({ logger: false, skipProcessEventRegistration: true });
  afterEach(() => broker.stop());

  it("runs again after a failure, without overlap, until the service stops", async () => {
    let [runs, running, most] = [0, 0, 0];
    const service = broker.createService({
      name: "clock",
      mixins: [timers],
      started() {
        every(this as never, 1, async () => {
          runs += 1;
          most = Math.max(most, (running += 1));
          await new Promise((resolve) => setTimeout(resolve, 5));
          running -= 1;
          throw new Error("this run fails");
        });
      },
    });
    const warn = vi.spyOn(service.logger, "warn");
    await broker.start();
    await expect.poll(() => runs).toBeGreaterThan(2);
    await broker.destroyService(service);
    // the service has waited for the last run
    expect([running, most]).toEqual([0, 1]);
    expect(warn).toHaveBeenCalled();
    const before = runs;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runs).toBe(before);
  });
});
