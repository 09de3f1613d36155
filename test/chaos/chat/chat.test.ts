import { randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FLAWLESS } from "./judgement.ts";
import { runChat } from "./run.ts";

/** CHAOS_SEED repeats the order of a run's faults. */
const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31));

describe("60 clients in 13 rooms", () => {
  it(
    "each see every message of their rooms once and in order, whatever is killed meanwhile",
    { timeout: 900_000 },
    async () => {
      console.log(`CHAOS_SEED=${SEED}`);
      const { judgement, figures } = await runChat({
        seed: SEED,
        people: 60,
        rooms: 12,
        size: 10,
        messages: 3_000,
        rate: 30,
        kills: 3,
        longest: 4_000,
        outage: 15_000,
        report: (text) => console.log(text),
      });
      console.log(figures, judgement);
      expect(judgement).toEqual(FLAWLESS);
    },
  );
});
