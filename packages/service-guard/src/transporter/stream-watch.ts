import type { Duplex } from "node:stream";
import type { SealedBus } from "../bus/sealed-bus.ts";
import type { Channel } from "../bus/channel.ts";
import type { TransitInternals } from "./moleculer-internals.ts";

/** The interval in which channels are checked for lost frames, in milliseconds. */
const INTERVAL = 5_000;

/**
 * Ends the streams of a node when one of its frames was lost. Moleculer would wait forever for the missing chunk. The
 * counters of a channel show the gap as soon as the next frame arrives, at the latest with a heartbeat.
 */
export class StreamWatch {
  readonly #bus: SealedBus;
  readonly #transit: TransitInternals;
  /** The number of missing frames of each channel, at the last check. */
  readonly #missing = new WeakMap<Channel, { last: number; reported: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(bus: SealedBus, transit: TransitInternals) {
    this.#bus = bus;
    this.#transit = transit;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), INTERVAL).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    for (const channel of this.#bus.channels.all()) {
      const { missing } = channel.window;
      const before = this.#missing.get(channel) ?? { last: 0, reported: 0 };
      // missing in two checks in a row: lost, not late
      const isLost = missing > before.reported && before.last > before.reported;
      this.#missing.set(channel, { last: missing, reported: isLost ? missing : before.reported });
      if (isLost) this.#endStreams(channel.peer.nodeID);
    }
  }

  #endStreams(nodeID: string): void {
    const { pendingReqStreams, pendingResStreams, pendingRequests } = this.#transit;
    const error = new Error(`A part of the stream from '${nodeID}' was lost on the bus.`);
    for (const [id, { sender, stream }] of pendingReqStreams) {
      if (sender !== nodeID) continue;
      pendingReqStreams.delete(id);
      end(stream, error);
    }
    for (const [id, stream] of pendingResStreams) {
      if (pendingRequests.get(id)?.nodeID !== nodeID) continue;
      this.#transit.removePendingRequest(id);
      end(stream, error);
    }
  }
}

/** Destroys a stream. An error on a stream without a listener would end the process. */
function end(stream: Duplex, error: Error): void {
  stream.on("error", () => {});
  stream.destroy(error);
}
