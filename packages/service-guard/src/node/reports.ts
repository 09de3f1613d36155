import { LRUCache } from "lru-cache";
import type { ServiceBroker } from "moleculer";
import type { RefusalReason } from "../authority/grant.ts";
import { Rate } from "../bus/rate.ts";
import type { BusRefusal } from "../bus/statistics.ts";

/** The metric of frames and packets that were refused, by reason. */
export const REFUSED_METRIC = "guard.bus.refused.total";

/** Says once what is wrong with this node or another, and what to do. */
export class Reports {
  readonly #logger: ServiceBroker["logger"];
  readonly #rate = new Rate(1);
  readonly #unproved = new LRUCache<string, string>({ max: 1_000 });

  constructor(logger: ServiceBroker["logger"]) {
    this.#logger = logger;
  }

  countRefusal(broker: ServiceBroker, reason: BusRefusal): void {
    if (broker.isMetricsEnabled()) broker.metrics.increment(REFUSED_METRIC, { reason });
  }

  credentialRefused(service: string, reason: RefusalReason): void {
    this.#logger.error(
      `The guard refuses the credential of '${service}': ${reason}. Other nodes ignore the service. ` +
        `Generate a credential with 'guard.generate --service ${service}', set it as the service's authToken, and restart.`,
    );
  }

  withoutCredential(services: readonly string[]): void {
    const names = services.map((name) => `'${name}'`).join(", ");
    this.#logger.warn(
      `No credential for ${names}: other nodes ignore what has none, and restricted actions refuse it. ` +
        "Generate one with 'guard.generate --service NAME', and set it as the service's authToken, or as NAME_AUTH_TOKEN.",
    );
  }

  /** Another node that has proved nothing acceptable. */
  unproved(nodeID: string, reason: string): void {
    if (this.#unproved.get(nodeID) === reason) return;
    // invented nodes must not fill the log
    if (!this.#rate.take()) return;
    this.#unproved.set(nodeID, reason);
    this.#logger.warn({ node: nodeID, reason }, `The node '${nodeID}' is ignored: ${reason}`);
  }

  proved(nodeID: string): void {
    this.#unproved.delete(nodeID);
  }
}
