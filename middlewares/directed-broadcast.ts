import type { Context, Middleware, ServiceBroker } from "moleculer";
import { type Emit, type Options, toMiddleware, toOptions } from "../lib/context/hooks.ts";

/** The node of an event handler. */
interface Endpoint {
  readonly id: string;
}

/** Moleculer's internals that its types lack. */
interface Internals {
  readonly transit?: { sendEvent(ctx: Context): Promise<unknown> };
  readonly registry: {
    readonly events: { getAllEndpoints(event: string, groups?: string[]): Endpoint[] };
  };
}

/** The context of an event, with the method that copies it for a handler's node. */
type EventContext = Context & { copy(endpoint: Endpoint): Context };

export interface DirectedOptions extends Options {
  /** The nodes that receive the event; left out: all that handle it. */
  readonly nodeIDs?: ReadonlySet<string>;
}

/**
 * `ctx.broadcast(event, payload, { nodeIDs })` sends an event to these nodes only. Moleculer has no such option. It is the
 * innermost middleware: it replaces Moleculer's own sending.
 */
export const directedBroadcast = (broker: ServiceBroker): Middleware => {
  const { registry } = broker as unknown as Internals;

  const send = (event: string, payload: unknown, { nodeIDs, ...options }: DirectedOptions) => {
    // the broker has no transit before it is started
    const { transit } = broker as unknown as Internals;
    const groups = typeof options.groups === "string" ? [options.groups] : options.groups;
    const endpoints = registry.events
      .getAllEndpoints(event, groups)
      .filter(({ id }) => nodeIDs?.has(id));
    const ctx = broker.ContextFactory.create(
      broker,
      undefined as never,
      payload as object,
      options as object,
    );
    Object.assign(ctx, { eventName: event, eventType: "broadcast", eventGroups: groups });
    return endpoints.map(async (endpoint) =>
      endpoint.id === broker.nodeID
        ? broker.broadcastLocal(event, payload as object, options as never)
        : transit?.sendEvent((ctx as EventContext).copy(endpoint)),
    );
  };

  return toMiddleware({
    name: "DirectedBroadcast",
    broadcast:
      (next: Emit): Emit =>
      async (event, payload, given) => {
        const options: DirectedOptions = toOptions(given);
        if (!options.nodeIDs) return next(event, payload, given);
        const results = await Promise.allSettled(send(event, payload, options));
        const failed = results.find((result) => result.status === "rejected");
        // Moleculer has logged it, and reports it only on request, too
        if (failed && options.throwError) throw failed.reason;
        return undefined;
      },
  });
};
