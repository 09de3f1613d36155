import { randomInt } from "node:crypto";
import { describe, expect, inject, it } from "vitest";
import { FLAWLESS } from "../chaos/chat/judgement.ts";
import { runChat } from "../chaos/chat/run.ts";
import { postgresPrograms } from "../helpers/postgres-server.ts";

const SEED = Number(process.env.CHAOS_SEED ?? randomInt(2 ** 31));

// `npm run test:chaos` does the same for minutes
describe.skipIf(!inject("natsUrl") || !postgresPrograms())("15 clients in 4 rooms", () => {
  it(
    "each see every message of their rooms once and in order, whatever is killed meanwhile",
    { timeout: 300_000 },
    async () => {
      const { judgement, figures } = await runChat({
        seed: SEED,
        people: 15,
        rooms: 3,
        size: 6,
        messages: 200,
        rate: 15,
        kills: 1,
        longest: 500,
        outage: 4_000,
        report: (text) => console.log(text),
      });
      expect({ seed: SEED, ...judgement }).toEqual({ seed: SEED, ...FLAWLESS });
      console.log(figures);
    },
  );
});
