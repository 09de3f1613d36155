import type { Context } from "moleculer";
import type { Refusal, RefusalCount } from "../guard/refusals.ts";

/** How long one node may take to respond, in milliseconds. */
const TIMEOUT = 2_000;
/** The number of refusals that are returned. */
const SHOWN = 100;

interface Lists {
  last: Refusal[];
  counts: RefusalCount[];
}

/**
 * The refusals of all nodes that respond. Each node keeps its own.
 *
 * @param ctx a context of the guard service, which alone may call the nodes
 */
export async function refusalsOfAllNodes(ctx: Context): Promise<Lists> {
  const action = "$guard.refusals";
  const endpoints = ctx.broker.registry.getActionEndpoints(action)?.endpoints ?? [];
  const responses = await Promise.allSettled(
    endpoints.map(({ id }) =>
      ctx.call<Lists, object>(action, {}, { nodeID: id, timeout: TIMEOUT }),
    ),
  );
  const lists = responses.flatMap((one) => (one.status === "fulfilled" ? [read(one.value)] : []));
  const counts = new Map<string, RefusalCount>();
  for (const { target, type, count } of lists.flatMap((list) => list.counts)) {
    const key = `${target} ${type}`;
    counts.set(key, { target, type, count: count + (counts.get(key)?.count ?? 0) });
  }
  return {
    last: lists
      .flatMap(({ last }) => last)
      .toSorted((a, b) => b.at.localeCompare(a.at))
      .slice(0, SHOWN),
    counts: [...counts.values()].toSorted((a, b) => b.count - a.count),
  };
}

/** Reads a node's response, which may be anything, and leaves out malformed entries. */
function read(response: Partial<Lists> | null): Lists {
  const { last, counts } = response ?? {};
  return {
    last: (Array.isArray(last) ? last : []).filter(
      (one) => typeof one?.target === "string" && typeof one.at === "string",
    ),
    counts: (Array.isArray(counts) ? counts : []).filter(
      (one) => typeof one?.target === "string" && typeof one.count === "number",
    ),
  };
}
