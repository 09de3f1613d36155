import { randomBytes } from "node:crypto";
import type { Context } from "moleculer";
import { quantile } from "../harness/statistics.ts";

// Calls one action, with a fixed number of concurrent calls.

export interface Load {
  action: "callee.read" | "callee.nothing" | "callee.work";
  concurrency: number;
  /** The duration, in milliseconds. */
  duration: number;
}

export interface Outcome {
  calls: number;
  /** The actual duration, in seconds. */
  seconds: number;
  /** Latencies in microseconds. */
  p50: number;
  p99: number;
}

/** 300 bytes of JSON. */
const PARAMS = { id: "5f6a37f5-8c3f-4f5f-9b2e-3c0d6f1a7e11", limit: 20, text: "x".repeat(233) };
/** A string of an access token's length. */
const TOKEN = randomBytes(450).toString("base64url");

export async function putLoad(ctx: Context, load: Load): Promise<Outcome> {
  const latencies: number[] = [];
  const started = performance.now();
  const end = started + load.duration;
  const work = async (): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await ctx.call(load.action, PARAMS, { headers: { authorization: TOKEN } });
      const then = now;
      now = performance.now();
      latencies.push(now - then);
    }
  };
  await Promise.all(Array.from({ length: load.concurrency }, work));
  const seconds = (performance.now() - started) / 1_000;
  const sorted = Float64Array.from(latencies).toSorted();
  const at = (share: number): number => quantile(sorted, share) * 1_000;
  return { calls: latencies.length, seconds, p50: at(0.5), p99: at(0.99) };
}
