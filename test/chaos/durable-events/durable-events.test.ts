import { randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { runDurableEvents } from "./run.ts";
import { FLAWLESS } from "./judgement.ts";

/** CHAOS_SEED repeats the order of a run's faults. */
const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31));

describe("10,000 orders with durable events", () => {
  it(
    "are each billed once and in order, whatever is killed meanwhile",
    { timeout: 1_200_000 },
    async () => {
      console.log(`CHAOS_SEED=${SEED}`);
      const { judgement, figures } = await runDurableEvents({
        seed: SEED,
        orders: 10_000,
        rate: 45,
        kills: 2,
        longest: 3_000,
        outage: 60_000,
        report: (text) => console.log(text),
      });
      console.log(figures, judgement);
      expect(judgement).toEqual(FLAWLESS);
    },
  );
});
