import { describe, expect, inject } from "vitest";

/** The version of Moleculer and the transporter of a suite. */
export interface Variant {
  version: "0.14" | "0.15";
  transport: "NATS" | "Redis";
}

export const FIRST: Variant = { version: "0.15", transport: "NATS" };
const VARIANTS: Variant[] = [
  FIRST,
  { version: "0.15", transport: "Redis" },
  { version: "0.14", transport: "NATS" },
];

const urlOf = ({ transport }: Variant) => inject(transport === "NATS" ? "natsUrl" : "redisUrl");

/** Runs a suite with every available transporter and both versions of Moleculer. */
export const overEachBus = (name: string, suite: (variant: Variant) => void): void => {
  for (const variant of VARIANTS)
    describe.skipIf(!urlOf(variant))(
      `${name} (Moleculer ${variant.version}, ${variant.transport})`,
      () => {
        suite(variant);
      },
    );
};

/** Runs a suite whose subject does not depend on the transporter. */
export const overNats = (name: string, suite: () => void): void => {
  describe.skipIf(!inject("natsUrl"))(`${name} (Moleculer 0.15, NATS)`, () => {
    suite();
  });
};

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<any> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, "The promise must reject.").toBeInstanceOf(Error);
  return error;
}

/** Runs a function repeatedly until it is stopped. `failed` collects the errors. */
export function underLoad(run: () => Promise<unknown>, parallel = 5) {
  const failed: unknown[] = [];
  let count = 0;
  const end = new AbortController();
  const workers = Array.from({ length: parallel }, async () => {
    while (!end.signal.aborted) {
      await run().catch((error: unknown) => failed.push(error));
      count += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  return {
    failed,
    /** The number of finished runs. */
    count: () => count,
    async stop() {
      end.abort();
      await Promise.all(workers);
      return failed.map(String);
    },
  };
}
