import type { ResultOf } from "../../lib/contract/calls.ts";
import { toPublicError } from "../../lib/errors/public-error.ts";

/** How long a service may take to count its jobs, in milliseconds. */
const TIMEOUT = 3_000;

type Item = ResultOf<"guard.jobs">["items"][number];

/** The types know the actions of services by their names, which are read from the contracts here. */
interface QueuesCaller {
  call(
    action: `${string}.queues`,
    params: object,
    options: { timeout: number },
  ): Promise<{ items: Item["queues"] }>;
}

/**
 * The queues of a service, or that it is unavailable: then the others are shown all the same.
 *
 * @throws the refusal of the user
 */
export async function queuesOf(ctx: object, service: string): Promise<Item> {
  try {
    const { items } = await (ctx as QueuesCaller).call(
      `${service}.queues`,
      {},
      { timeout: TIMEOUT },
    );
    return { service, queues: items };
  } catch (error) {
    const { code } = toPublicError(error);
    if (code === 401 || code === 403) throw error;
    return { service, isUnavailable: true };
  }
}
