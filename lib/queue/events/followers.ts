import type { EventEnvelope, TakenJob, WaitingJob } from "../envelope.ts";
import { sizeOf } from "./deliveries.ts";
import type { JobTable } from "../job-table.ts";

/** The most events of one key in a call, and in a batch. */
const EACH_KEY = 30;
const EACH_BATCH = 500;

/** The most bytes that follow an event, in characters of JSON. */
const MAX_SIZE = 50_000;

/** Events that have waited for less, in milliseconds, have hardly any behind them. */
const SHORT = 50;

type Event = WaitingJob<EventEnvelope>;

/**
 * The events that are delivered together with those that were taken from a queue with keys: those behind them with the same
 * key and name. pg-boss gives out one event of each key, so that a key's events would otherwise take a round trip each.
 * The taken event keeps others from the key until it is settled.
 *
 * @returns a sequence for each key
 */
export async function withFollowers(
  table: JobTable,
  queue: string,
  taken: readonly TakenJob<EventEnvelope>[],
): Promise<Event[][]> {
  const keys = taken
    .filter(({ createdOn, startedOn }) => Number(startedOn) - Number(createdOn) > SHORT)
    .map(({ singletonKey }) => singletonKey as string);
  const limit = Math.min(EACH_KEY, Math.floor(EACH_BATCH / Math.max(1, keys.length)));
  // while the database is unreachable, those that were taken are delivered alone
  const waiting = keys.length === 0 ? [] : await table.behind(queue, keys, limit).catch(() => []);
  // a queue of events has only jobs with this data
  const byKey = Map.groupBy(waiting as Event[], ({ singletonKey }) => singletonKey);
  return taken.map((first) => [first, ...fitting(first, byKey.get(first.singletonKey) ?? [])]);
}

/** The first of these events that have the name of the event before them, and fit in a call. */
function fitting(first: Event, followers: readonly Event[]): Event[] {
  let size = 0;
  const end = followers.findIndex((follower) => {
    size += sizeOf(follower);
    return follower.data.event !== first.data.event || size > MAX_SIZE;
  });
  return followers.slice(0, end === -1 ? undefined : end);
}
