import { LRUCache } from "lru-cache";
import type { ServiceBroker } from "moleculer";
import type { RefusalReason } from "../authority/grant.ts";
import { Rate } from "../bus/rate.ts";
import type { BusRefusal } from "../bus/statistics.ts";

/** The metric of refused frames and packets, by reason. */
export const REFUSED_METRIC = "guard.bus.refused.total";

/** Logs each problem of this node or another once, with what to do. */
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
      `No credential for ${names}: other nodes ignore these services, and restricted actions refuse their calls. ` +
        "Generate one with 'guard.generate --service NAME', and set it as the service's authToken, or as NAME_AUTH_TOKEN.",
    );
  }

  /** Reports another node without a valid identity token. */
  unproved(nodeID: string, reason: string): void {
    if (this.#unproved.get(nodeID) === reason) return;
    // an attacker can invent node ids, which must not fill the log
    if (!this.#rate.take()) return;
    this.#unproved.set(nodeID, reason);
    this.#logger.warn({ node: nodeID, reason }, `The node '${nodeID}' is ignored: ${reason}`);
  }

  proved(nodeID: string): void {
    this.#unproved.delete(nodeID);
  }
}
