import type { BusRefusal } from "../bus/statistics.ts";
import type { Peer } from "../bus/peers.ts";
import type { GuardNode } from "../node/guard-node.ts";
import { filterInfo } from "./info-filter.ts";
import type { Packet, Payload, TransitInternals } from "./moleculer-internals.ts";

/**
 * Checks that a proved node sends packets only for itself: as their sender, as their caller, for its own services, and
 * for its own streams and responses. Other packets are dropped before Moleculer reads them.
 */
export class PacketChecks {
  readonly #node: GuardNode;
  readonly #transit: TransitInternals;

  constructor(node: GuardNode, transit: TransitInternals) {
    this.#node = node;
    this.#transit = transit;
  }

  accepts(command: string, { payload }: Packet, peer: Peer): boolean {
    const reason = this.#problemOf(command, payload, peer);
    if (reason === undefined) return true;
    this.#node.statistics.refused(reason, peer.nodeID);
    return false;
  }

  #problemOf(command: string, payload: Payload, peer: Peer): BusRefusal | undefined {
    if (typeof payload !== "object" || payload === null) return "malformed";
    if (payload.sender !== peer.nodeID) return "another node's packet";
    switch (command) {
      case "REQ":
        return this.#problemOfCaller(payload, peer) ?? this.#problemOfStream(payload, peer);
      case "RES":
        return this.#problemOfResponse(payload, peer);
      case "EVENT":
        if (typeof payload.event !== "string" || payload.event.startsWith("$"))
          return "internal event";
        return this.#problemOfCaller(payload, peer);
      case "INFO":
        if (!Array.isArray(payload.services)) return "malformed";
        payload.services = filterInfo(payload.services, peer, this.#node);
        return undefined;
      default:
        return undefined;
    }
  }

  /** The caller has to be a service that the sender has proved, or missing. */
  #problemOfCaller({ caller }: Payload, peer: Peer): BusRefusal | undefined {
    if (caller === undefined || caller === null) return undefined;
    if (typeof caller === "string" && peer.isProved(caller, this.#node.clock.now()))
      return undefined;
    return "caller not proved";
  }

  /** Chunks of a stream have to come from the node that has opened it. */
  #problemOfStream({ id, stream, seq }: Payload, peer: Peer): BusRefusal | undefined {
    if (stream === undefined && seq === undefined) return undefined;
    const open = this.#transit.pendingReqStreams.get(id ?? "");
    return open && open.sender !== peer.nodeID ? "not the node that opened the stream" : undefined;
  }

  /** A response has to come from the node that was called. */
  #problemOfResponse({ id }: Payload, peer: Peer): BusRefusal | undefined {
    const pending = this.#transit.pendingRequests.get(id ?? "");
    return pending && pending.nodeID !== peer.nodeID ? "not the node that was asked" : undefined;
  }
}
