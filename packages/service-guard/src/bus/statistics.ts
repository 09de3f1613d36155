import type { FrameRefusal } from "./channel.ts";

/** Why a frame or packet was ignored. */
export type BusRefusal =
  | FrameRefusal
  | "malformed"
  | "unknown key"
  | "identity ended"
  | "identity not accepted"
  | "too many requests"
  | "another node's packet"
  | "not the node that was asked"
  | "not the node that opened the stream"
  | "caller not proved"
  | "internal event";

/** Counters of this node. */
export interface BusStatistics {
  framesSent: number;
  packetsSent: number;
  framesOpened: number;
  packetsOpened: number;
  /** Exchanges with the guard that succeeded. */
  exchanges: number;
  refused: Map<BusRefusal, number>;
}

/** Counters for one other node. */
export interface NodeStatistics {
  framesOpened: number;
  refused: number;
}

/** Counts frames, packets and refusals. */
export class Statistics {
  readonly total: BusStatistics = {
    framesSent: 0,
    packetsSent: 0,
    framesOpened: 0,
    packetsOpened: 0,
    exchanges: 0,
    refused: new Map(),
  };
  readonly #nodes = new Map<string, NodeStatistics>();
  readonly #onRefused: (reason: BusRefusal, nodeID: string | undefined) => void;

  constructor(onRefused: (reason: BusRefusal, nodeID: string | undefined) => void) {
    this.#onRefused = onRefused;
  }

  sent(packets: number): void {
    this.total.framesSent += 1;
    this.total.packetsSent += packets;
  }

  opened(nodeID: string, packets: number): void {
    this.total.framesOpened += 1;
    this.total.packetsOpened += packets;
    this.of(nodeID).framesOpened += 1;
  }

  /** @param nodeID the proved sender; undefined: the sender is not proved */
  refused(reason: BusRefusal, nodeID?: string): void {
    this.total.refused.set(reason, (this.total.refused.get(reason) ?? 0) + 1);
    if (nodeID !== undefined) this.of(nodeID).refused += 1;
    this.#onRefused(reason, nodeID);
  }

  of(nodeID: string): NodeStatistics {
    const known = this.#nodes.get(nodeID);
    if (known) return known;
    const statistics = { framesOpened: 0, refused: 0 };
    this.#nodes.set(nodeID, statistics);
    return statistics;
  }

  forget(nodeID: string): void {
    this.#nodes.delete(nodeID);
  }
}
