import type { Channels } from "./channels.ts";
import type { Peer, Peers } from "./peers.ts";
import type { RecordName } from "./records.ts";

/** The part of `SealedBus` that its parts use: introductions, and both sides of EXCHANGE and GRANT. */
export interface BusSender {
  readonly peers: Peers;
  readonly channels: Channels;
  broadcastHello(): void;
  sendOpen(nodeID: string | undefined, frame: Buffer): void;
  sendControl(peer: Peer, name: RecordName, content: Buffer | object): void;
  sendGuardState(peers: Iterable<Peer>): Promise<void>;
}
