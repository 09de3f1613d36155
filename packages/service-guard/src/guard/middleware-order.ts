import type { ServiceBroker } from "moleculer";

/** The middlewares that may be outside of the guard: they see refusals and answer no call themselves. */
const OUTSIDE = new Set(["ErrorHandler", "Tracing", "Metrics"]);

interface Handlers {
  list: Record<string, unknown>[];
  registeredHooks: Record<string, unknown[]>;
}

/**
 * Places the guard's hooks outside of all other middlewares, Validator and Cacher included. Moleculer would make the
 * middlewares of `middlewares: [...]` the innermost, and a cached response would reach a caller that may not have it.
 *
 * @param hooks the guard's hooks, as Moleculer has registered them
 */
export function placeOutside(broker: ServiceBroker, hooks: object): void {
  const { list, registeredHooks } = broker.middlewares as unknown as Handlers;
  for (const hook of ["localAction", "localEvent", "remoteAction"]) {
    const registered = registeredHooks[hook] ?? [];
    const own = (hooks as Record<string, unknown>)[hook];
    const others = registered.filter((one) => one !== own);
    const around = new Set(
      list.filter(({ name }) => OUTSIDE.has(String(name))).map((middleware) => middleware[hook]),
    );
    const at = others.findIndex((one) => around.has(one));
    others.splice(at === -1 ? others.length : at, 0, own);
    registeredHooks[hook] = others;
  }
}
