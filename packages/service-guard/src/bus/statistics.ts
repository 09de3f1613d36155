import type { FrameRefusal } from "./channel.ts";

/** Why something that arrived on the bus is ignored. */
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

/** What a node's bus has done. */
export interface BusStatistics {
  framesSent: number;
  packetsSent: number;
  framesOpened: number;
  packetsOpened: number;
  /** Exchanges that were granted to this node. */
  exchanges: number;
  refused: Map<BusRefusal, number>;
}

/** What it has done with one other node. */
export interface NodeStatistics {
  framesOpened: number;
  refused: number;
}

/** Counts what goes over the bus. */
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

  /** @param nodeID a proved node; undefined: its sender has proved nothing */
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
