import type { ExchangeRequest, Grant } from "../authority/grant.ts";
import type { BusSender } from "./bus-sender.ts";
import { type Exchange, makeExchange, openGrant } from "./exchange.ts";
import type { NodeKey } from "./node-key.ts";
import type { OwnNode } from "./own-node.ts";
import type { Peer } from "./peers.ts";

/** How long a guard node may take to respond, in milliseconds. */
const TIMEOUT = 5_000;

/** A guard's response, and the binding of the request. */
export interface Granted {
  grant: Partial<Grant>;
  binding: Buffer;
}

interface Pending extends PromiseWithResolvers<Granted> {
  exchange: Exchange;
}

/** A node's side of EXCHANGE and GRANT. */
export class GuardClient {
  readonly #node: OwnNode;
  readonly #bus: BusSender;
  readonly #pending = new Set<Pending>();
  /** When a guard node last failed to respond, in milliseconds since the epoch: the next request goes to another. */
  readonly #failedAt = new WeakMap<Peer, number>();

  constructor(node: OwnNode, bus: BusSender) {
    this.#node = node;
    this.#bus = bus;
  }

  /**
   * Requests identity tokens from a guard node, on the channel to it where one exists.
   *
   * @param key the key that the tokens are to be bound to
   * @throws Error if no guard node is known, or the guard node does not respond in time
   */
  async request(key: NodeKey, content: (binding: Buffer) => ExchangeRequest): Promise<Granted> {
    const { clock, namespace, identities } = this.#node;
    // where this node's clock is wrong, a guard's valid token may look expired
    const guards = this.#bus.peers.running("guard", clock.isSet ? clock.now() : 0);
    // a guard node that has stopped stays proved for a while, so the one that was heard last is asked first
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
      if (identities.valid().length > 0) this.#bus.sendControl(guard, "EXCHANGE", exchange.frame);
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

  /** Handles a GRANT frame. */
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
