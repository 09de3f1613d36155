import type { Service } from "moleculer";
import { ownContext } from "../../../lib/context/own-context.ts";
import type { ConsumedPoints, RateLimiter } from "./rate-limiter.ts";

/** Shares the counts of the rate limits between gateways, by the event `gateway.consumed`. */

/** How often a gateway sends its counts, in milliseconds. */
const INTERVAL = 250;
/** Counts in one event: far below NATS's limit for a message. */
const MAX_COUNTS = 5_000;

/** Starts to send this gateway's counts to the others. @returns stops it */
export function shareCounts(service: Service, limiter: RateLimiter): () => void {
  if (!service.broker.transit) return () => {};
  const send = async () => {
    for (const consumed of limiter.takeUnshared(MAX_COUNTS))
      await ownContext(service).broadcast("gateway.consumed", { gateway: limiter.id, consumed });
  };
  const timer = setInterval(() => void send(), INTERVAL);
  timer.unref();
  return () => clearInterval(timer);
}

/** Adds the counts of another gateway. A broadcast also reaches its sender, whose counts are ignored. */
export function receiveCounts(
  limiter: RateLimiter,
  { gateway, consumed }: { gateway: string; consumed: ConsumedPoints[] },
): void {
  if (gateway !== limiter.id) limiter.add(consumed);
}
