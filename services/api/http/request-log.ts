import type { Service } from "moleculer";
import { configOf } from "../../../lib/context/attachment.ts";
import { clientOf } from "../client.ts";
import type { Gateways } from "../gateways.ts";

/** Paths that are not logged: health checks are frequent, and sockets log their own events. */
const UNLOGGED = ["/health/", "/socket.io/"];

/** The levels of the log at which requests are logged. */
const LOGGED: ReadonlySet<string> = new Set(["info", "debug", "trace"]);

/** Logs each finished request without its query, which may hold personal data. */
export function logRequests({ server, logger, broker }: Service & Gateways): void {
  const config = configOf(broker);
  if (!LOGGED.has(config.logLevel)) return;
  server.on("request", (req, res) => {
    const started = performance.now();
    res.once("finish", () => {
      const path = req.url?.split("?", 1)[0] ?? "";
      if (UNLOGGED.some((prefix) => path.startsWith(prefix))) return;
      const { correlationId } = clientOf(req, config);
      logger.info(
        {
          method: req.method,
          path,
          status: res.statusCode,
          ms: Math.round(performance.now() - started),
          requestID: res.getHeader("X-Request-ID"),
          correlationID: correlationId,
        },
        "Request finished.",
      );
    });
  });
}
