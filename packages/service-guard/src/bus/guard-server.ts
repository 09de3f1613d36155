import type { BusSender } from "./bus-sender.ts";
import { guardKidOf, makeGrant, openExchange } from "./exchange.ts";
import { prefixOf } from "./node-id.ts";
import type { OwnNode } from "./own-node.ts";
import type { Peer } from "./peers.ts";
import { Rate } from "./rate.ts";

/** EXCHANGEs in a second from nodes that have no channel yet. */
const EXCHANGES_PER_SECOND = 100;
/** EXCHANGEs in a second of one node on its channel. It renews a few times in an identity's lifetime. */
const RENEWALS_PER_SECOND = 5;
/** EXCHANGEs without a channel that may wait for the store at a time. */
const MAX_WAITING = 100;

/** The guard's side of EXCHANGE and GRANT. */
export class GuardServer {
  readonly #node: OwnNode;
  readonly #bus: BusSender;
  readonly #rate = new Rate(EXCHANGES_PER_SECOND);
  readonly #rates = new WeakMap<Peer, Rate>();
  #waiting = 0;

  constructor(node: OwnNode, bus: BusSender) {
    this.#node = node;
    this.#bus = bus;
  }

  /** @param peer the node on whose channel the frame arrived; undefined: it came without a channel */
  receive(frame: Buffer, peer?: Peer): void {
    const { authority, keys, namespace, nodeID, statistics } = this.#node;
    if (!authority) return;
    const own = keys.get(guardKidOf(frame)?.toString("latin1") ?? "");
    if (!own) return statistics.refused("unknown key", peer?.nodeID);
    if (!this.#mayAsk(peer)) return statistics.refused("too many requests", peer?.nodeID);
    const opened = openExchange(namespace, own, nodeID, frame);
    if (!opened) return statistics.refused("not authentic", peer?.nodeID);
    const { exchange, content } = opened;
    const { binding, senderKey: publicKey } = exchange;
    const to = peer?.nodeID ?? nodeIDOf(content);
    if (to === undefined) return statistics.refused("malformed");
    this.#waiting += 1;
    authority
      .exchange(content, { namespace, publicKey, binding, provedNodeID: peer?.nodeID })
      .then((grant) => this.#respond(makeGrant(namespace, exchange, grant), to, peer))
      .catch((error: unknown) =>
        this.#node.logger.warn({ err: error }, "The guard's store is unavailable."),
      )
      .finally(() => (this.#waiting -= 1));
  }

  #mayAsk(peer: Peer | undefined): boolean {
    if (!peer) return this.#waiting < MAX_WAITING && this.#rate.take();
    const rate = this.#rates.get(peer) ?? new Rate(RENEWALS_PER_SECOND);
    this.#rates.set(peer, rate);
    return rate.take();
  }

  #respond(grant: Buffer, nodeID: string, peer: Peer | undefined): void {
    if (peer) this.#bus.sendControl(peer, "GRANT", grant);
    else this.#bus.sendOpen(nodeID, grant);
  }
}

/** The node that the response is sent to. An invalid node id must never become part of a subject. */
function nodeIDOf(content: unknown): string | undefined {
  const { nodeID } = (content ?? {}) as { nodeID?: unknown };
  return typeof nodeID === "string" && prefixOf(nodeID) !== undefined ? nodeID : undefined;
}
