import type { Service } from "moleculer";
import { ownContext } from "../../../lib/context/own-context.ts";
import type { Consumed, Limiter } from "./rate-limiter.ts";

/** How often gateways tell each other what they counted, in milliseconds. */
const INTERVAL = 250;
/** How much of it one event carries: far less than NATS takes. */
const MAX_TOLD = 5_000;

/** Tells the other gateways what this one counts, from now on. @returns ends it */
export function shareCounts(service: Service, limiter: Limiter): () => void {
  if (!service.broker.transit) return () => {};
  const tell = async () => {
    for (const consumed of limiter.untold(MAX_TOLD))
      await ownContext(service).broadcast("gateway.consumed", { gateway: limiter.id, consumed });
  };
  const timer = setInterval(() => void tell(), INTERVAL);
  timer.unref();
  return () => clearInterval(timer);
}

/** Takes what a gateway tells; what it told itself it knows. */
export async function takeCounts(
  limiter: Limiter,
  { gateway, consumed }: { gateway: string; consumed: Consumed[] },
): Promise<void> {
  if (gateway !== limiter.id) await limiter.add(consumed);
}
