import type { BrokerOptions } from "moleculer";
import { type Endpoint, type Handler, toMiddleware } from "../../lib/context/hooks.ts";

/** Records each action whose handler runs, to test that a refused call runs none. */
export function watchRuns() {
  const ran: string[] = [];
  const watch = toMiddleware({
    name: "WatchRuns",
    localAction:
      (next: Handler, { name }: Endpoint): Handler =>
      (ctx) => {
        ran.push(name);
        return next(ctx);
      },
  });
  return {
    /** The number of times that this action's handler has run. */
    of: (action: string) => ran.filter((name) => name === action).length,
    /** Broker options with the watcher right around the handlers. */
    broker: ({ middlewares = [] }: BrokerOptions): BrokerOptions => ({
      middlewares: [watch, ...middlewares],
    }),
  };
}
