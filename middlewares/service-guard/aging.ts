import { CitadelError } from "../../lib/errors.ts";
import type { CallPromise } from "../../lib/hooks.ts";

/** No token and no proof ages within so many milliseconds, by as much as clocks are let differ. */
const AGING = 5_000;

/**
 * A proof that aged on its way, since the bus or the callee stood still, is not the caller's fault: the
 * same call, proved anew, is let in. A refusal that comes soon is one.
 */
export function unlessAged(promise: CallPromise): CallPromise {
  const begin = performance.now();
  const answer: CallPromise = promise.catch((error: unknown) => {
    const isRefused = error instanceof CitadelError && error.type === "ServiceTokenInvalid";
    if (!isRefused || performance.now() - begin < AGING) throw error;
    throw new CitadelError("ServiceNotAvailable", { cause: error });
  });
  answer.ctx = promise.ctx;
  return answer;
}
