import type { ExchangeRequest, Grant } from "../authority/grant.ts";
import type { GuardNode } from "../node/guard-node.ts";
import { type Exchange, makeExchange, openGrant } from "./exchange.ts";
import type { NodeKey } from "./node-key.ts";
import type { Peer } from "./peers.ts";
import type { SealedBus } from "./sealed-bus.ts";

/** How long a guard node may take, in milliseconds. */
const TIMEOUT = 5_000;

/** What a guard has granted, and what the request for it was bound to. */
export interface Granted {
  grant: Partial<Grant>;
  binding: Buffer;
}

interface Pending extends PromiseWithResolvers<Granted> {
  exchange: Exchange;
}

/** A node's side of EXCHANGE and GRANT. */
export class GuardClient {
  readonly #node: GuardNode;
  readonly #bus: SealedBus;
  readonly #pending = new Set<Pending>();
  /** When a guard node last did not respond, in milliseconds since the epoch: the next request goes to another. */
  readonly #failedAt = new WeakMap<Peer, number>();

  constructor(node: GuardNode, bus: SealedBus) {
    this.#node = node;
    this.#bus = bus;
  }

  /**
   * Asks a guard node, on the channel to it where there is one.
   *
   * @param key the key that identities are asked for
   * @throws Error where no guard is known, or none responds in time
   */
  async request(key: NodeKey, content: (binding: Buffer) => ExchangeRequest): Promise<Granted> {
    const { clock, namespace, identities } = this.#node;
    // a node whose own clock is wrong learns the time from a guard that seems to have ended
    const guards = this.#bus.peers.running("guard", clock.isSet ? clock.now() : 0);
    // one that has stopped stays proved for a while: those that were heard last come first
    const failedAt = (peer: Peer) => this.#failedAt.get(peer) ?? 0;
    const [guard] = guards.toSorted((a, b) => failedAt(a) - failedAt(b) || b.heardAt - a.heardAt);
    if (!guard) {
      this.#bus.broadcastHello();
      throw new Error("No guard node is known yet.");
    }
    const exchange = makeExchange(namespace, key, guard, content);
    const pending: Pending = { exchange, ...Promise.withResolvers<Granted>() };
    const timer = setTimeout(
      () => pending.reject(new Error("The guard does not respond.")),
      TIMEOUT,
    );
    this.#pending.add(pending);
    try {
      if (identities.living().length > 0) this.#bus.tell(guard, "EXCHANGE", exchange.frame);
      else this.#bus.sendOpen(guard.nodeID, exchange.frame);
      const granted = await pending.promise;
      this.#failedAt.delete(guard);
      return granted;
    } catch (error) {
      this.#failedAt.set(guard, Date.now());
      throw error;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(pending);
    }
  }

  /** Takes in a GRANT, if this node waits for one. */
  receive(frame: Buffer): void {
    const { namespace, statistics } = this.#node;
    for (const { exchange, resolve } of this.#pending) {
      const grant = openGrant(namespace, exchange, frame);
      if (typeof grant !== "object" || grant === null) continue;
      return resolve({ grant, binding: exchange.binding });
    }
    statistics.refused("not authentic");
  }

  stop(): void {
    for (const { reject } of this.#pending) reject(new Error("The node stops."));
  }
}
