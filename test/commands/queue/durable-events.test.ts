import { randomInt } from "node:crypto";
import { describe, expect, inject, it } from "vitest";
import { runDurableEvents } from "../../chaos/durable-events/run.ts";
import { FLAWLESS } from "../../chaos/durable-events/judgement.ts";
import { postgresPrograms } from "../../helpers/postgres-server.ts";

const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31));

// `npm run test:chaos` does the same for minutes
describe.skipIf(!inject("natsUrl") || !postgresPrograms())("300 orders with durable events", () => {
  it(
    "are each billed once and in order, whatever is killed meanwhile",
    { timeout: 300_000 },
    async () => {
      const { judgement, figures } = await runDurableEvents({
        seed: SEED,
        orders: 300,
        rate: 25,
        kills: 1,
        longest: 500,
        outage: 5_000,
        report: (text) => console.log(text),
      });
      expect({ seed: SEED, ...judgement }).toEqual({ seed: SEED, ...FLAWLESS });
      console.log(figures);
    },
  );
});
