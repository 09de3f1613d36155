import { describe, expect, it, vi } from "vitest";
import { commands } from "../../../repl/commands.ts";
import { failingOrders } from "../../fixtures/queue/failing-orders.ts";
import { isMissing } from "../../helpers/app.ts";

describe.skipIf(isMissing)("The command 'jobs' of the REPL", () => {
  const shop = failingOrders();

  /** What it prints. */
  const jobs = async (operation?: string, service?: string, id?: string) => {
    const { action } = commands.find(({ command }) => command.startsWith("jobs "))!;
    const printed: string[] = [];
    const log = vi.spyOn(console, "log").mockImplementation((text) => void printed.push(text));
    const table = vi
      .spyOn(console, "table")
      .mockImplementation((rows) => void printed.push(JSON.stringify(rows)));
    try {
      await action(shop.app.broker("orders"), { options: {}, operation, service, id });
    } finally {
      log.mockRestore();
      table.mockRestore();
    }
    return printed.join("\n");
  };

  it("shows each queue, and what has failed without redacted parameters", async () => {
    const { id } = await shop.failed(await shop.send({ doorCode: "4711" }));
    expect(await jobs()).toMatch(/"service":"orders","name":"jobs\/pack",.*"failed":1/);
    const failed = await jobs("failed", "orders");
    expect(failed).toContain(`orders ${id} jobs/pack`);
    expect(failed).toContain("FinalFailure: The shelf is empty.");
    expect(failed).toContain("doorCode: '[redacted]'");
    expect(failed).not.toContain("4711");
  });

  it("retries and discards what has failed", async () => {
    const order = await shop.send();
    const { id } = await shop.failed(order);
    expect(await jobs("retry", "orders", id)).toBe("It runs once more.");
    await expect.poll(async () => (await shop.failed(order)).attempts).toBe(2);
    expect(await jobs("discard", "orders", id)).toBe("It is deleted.");
    expect(await jobs("failed", "orders")).not.toContain(id);
    expect(await jobs("discard", "orders", id)).toMatch(/NotFound: No job or event with this id/);
  });

  it("says what is wrong with its arguments", async () => {
    expect(await jobs("remove")).toMatch(/'remove' is none of: failed, retry, discard/);
    expect(await jobs("retry", "orders", "1")).toMatch(/Name the service and the id/);
    expect(await jobs("failed", "billing")).toMatch(/ERROR/);
  });
});
