import type { Duplex } from "node:stream";
import type { SealedBus } from "../bus/sealed-bus.ts";
import type { Channel } from "../bus/channel.ts";
import type { TransitInternals } from "./moleculer-internals.ts";

/** How often channels are looked at for lost frames, in milliseconds. */
const INTERVAL = 5_000;

/**
 * Ends streams of a node when a frame of it was lost. Moleculer would wait forever for the missing chunk, and the
 * counters of a channel show that one is missing as soon as the next frame arrives, at the latest a heartbeat.
 */
export class StreamWatch {
  readonly #bus: SealedBus;
  readonly #transit: TransitInternals;
  /** What each channel has missed, when it was last looked at. */
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
      // missing twice in a row: not only late
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

/** A stream without listeners must not end the process. */
function end(stream: Duplex, error: Error): void {
  stream.on("error", () => {});
  stream.destroy(error);
}
