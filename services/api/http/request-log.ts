import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import { clientOf } from "../client.ts";
import type { GatewayRequest, GatewayResponse, Gateways } from "../gateways.ts";

/** Paths that are not logged: health checks are frequent, and sockets log their own events. */
const UNLOGGED = ["/health/", "/socket.io/"];

/** The levels of the log at which requests are logged. */
const LOGGED: ReadonlySet<string> = new Set(["info", "debug", "trace"]);

/** The user of a request, and the user who impersonates them. Never the token. */
const usersOf = ({ user }: GatewayRequest): object => ({
  ...(user && { user: { id: user.sub, name: user.username } }),
  ...(user?.act && { impersonator: { id: user.act.sub, name: user.act.username } }),
});

/**
 * Logs each finished request without its query, which may hold secrets and personal data. The user is that of a verified
 * token only, so a refused token leaves no name in the log.
 */
export function logRequests({ server, logger, broker }: Service & Gateways): void {
  const config = configOf(broker);
  if (!LOGGED.has(config.logLevel)) return;
  server.on("request", (req: GatewayRequest, res: GatewayResponse) => {
    const started = performance.now();
    res.once("finish", () => {
      const path = req.url?.split("?", 1)[0] ?? "";
      if (UNLOGGED.some((prefix) => path.startsWith(prefix))) return;
      const { correlationId } = clientOf(req, config);
      logger.info(
        {
          method: req.method,
          path,
          route: req.routePattern,
          ...(req.operation !== undefined && { operation: req.operation }),
          status: res.statusCode,
          ms: Math.round(performance.now() - started),
          requestID: res.getHeader("X-Request-ID"),
          correlationID: correlationId,
          ...usersOf(req),
        },
        "Request finished.",
      );
    });
  });
}
