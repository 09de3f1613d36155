import type { Caller, PayloadOf } from "./calls.ts";
import type { ServiceContract } from "./contract.ts";
import type { ReportResult, WatchReport } from "./declarations/socket-rooms.ts";

/** The events that a contract sends to the sockets in a room, or that only they may see. */
type RoomEventOf<C> = C extends { emits: infer E }
  ? {
      [N in keyof E]: E[N] extends
        | { socket: { to: { room: string } } }
        | { subscribe: { visible: { room: string } } }
        ? N & string
        : never;
    }[keyof E]
  : never;

/** What gateways have told this node about the rooms of its service. */
export interface Rooms<C extends ServiceContract> {
  /**
   * Broadcasts an event for a room to the gateways with sockets in it, and to the nodes of services that handle it. A gateway
   * that has not told in which rooms it has sockets receives it, too.
   */
  broadcast<N extends RoomEventOf<C>>(
    ctx: Pick<Caller, "broadcast">,
    event: N,
    payload: PayloadOf<N>,
  ): Promise<void>;
  /** Takes a gateway's report (WATCHED_ROOMS). @param nodeID the gateway's, which the bus has verified */
  watch(nodeID: string, report: WatchReport): ReportResult;
}
