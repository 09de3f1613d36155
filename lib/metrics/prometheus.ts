import type { IncomingMessage, ServerResponse } from "node:http";
import { type BrokerOptions, type MetricRegistry, MetricReporters } from "moleculer";
import type { Config } from "../config/config.ts";
import { collectMetrics } from "./collectors.ts";

/**
 * Not shown: the command line, which may hold secrets, and the user, addresses and host name of the machine. Prometheus
 * knows the machine by other means (node_exporter).
 */
const EXCLUDED = ["process.arguments", "os.**"];

/** Moleculer's reporter ends the process if its port is in use, and has no gauges that are read on demand. */
class PrometheusReporter extends MetricReporters.Prometheus {
  override init(registry: MetricRegistry): void {
    super.init(registry);
    this.server.on("error", (err) =>
      registry.broker.logger.warn(
        { err },
        "The metrics cannot be served. Set METRICS_PORT to a free port, or to 'off'.",
      ),
    );
  }

  override handler(request: IncomingMessage, response: ServerResponse): void {
    void collectMetrics(this.registry.broker).then(() => super.handler(request, response));
  }

  override async stop(): Promise<void> {
    if (!this.server.listening) return;
    const stopped = super.stop();
    // the server would wait for each client that has connected and not sent its whole request
    this.server.closeAllConnections();
    await stopped;
  }
}

/**
 * Serves Moleculer's metrics and those of the contracts on `GET /metrics` in the format of Prometheus. In development
 * only this machine reaches them.
 */
export const metricsOptions = ({
  metricsPort: port,
  production,
  host,
}: Pick<Config, "metricsPort" | "production" | "host">): NonNullable<BrokerOptions["metrics"]> =>
  port === undefined
    ? false
    : {
        enabled: true,
        // Moleculer leaves them out where NODE_ENV is "test"
        collectProcessMetrics: true,
        reporter: [
          new PrometheusReporter({
            port,
            host: production ? host : "127.0.0.1",
            excludes: EXCLUDED,
          }) as never,
        ],
      };
