import type { Service } from "moleculer";
import { contractsOf } from "../../../../lib/context/attachment.ts";
import { ownContext } from "../../../../lib/context/own-context.ts";
import type { Gateways } from "../../gateways.ts";
import { NodeReports } from "./node-reports.ts";
import { readRoom, roomOf } from "./room-names.ts";
import { nodesWith, onNodesChanged } from "./service-nodes.ts";

/** How long the work in a room waits until its messages are sent here, in milliseconds. */
const MAX_WAIT = 1_000;

/** Tells the services in which of their rooms this gateway has sockets: they send events for rooms only to such gateways. */
export class RoomReports {
  readonly #api: Service;
  /** The reports by service, then by node. */
  readonly #services = new Map<string, { action: string; nodes: Map<string, NodeReports> }>();
  readonly #stop: () => void;

  constructor(api: Service & Gateways) {
    this.#api = api;
    for (const { name, rooms } of contractsOf(api.broker).values())
      if (rooms?.watch !== undefined)
        this.#services.set(name, { action: `${name}.${rooms.watch}`, nodes: new Map() });
    const { adapter } = api.io.of("/");
    const change = (socketRoom: string) => {
      const room = readRoom(socketRoom);
      if (!room) return;
      for (const reports of this.#services.get(room.owner)?.nodes.values() ?? [])
        reports.change(room.id);
    };
    adapter.on("create-room", change);
    adapter.on("delete-room", change);
    this.#stop = onNodesChanged(api.broker, () => this.#updateNodes());
    this.#updateNodes();
  }

  /**
   * Resolves when every node of the service sends this gateway the events for the room. It does not wait for ever: a client
   * notices what it misses.
   */
  async whenWatched(owner: string, id: string): Promise<void> {
    const nodes = [...(this.#services.get(owner)?.nodes.values() ?? [])];
    if (nodes.length === 0) return;
    const { promise: timeout, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, MAX_WAIT);
    await Promise.race([timeout, Promise.all(nodes.map((node) => node.whenKnown(id)))]);
    clearTimeout(timer);
  }

  stop(): void {
    this.#stop();
    for (const { nodes } of this.#services.values()) for (const node of nodes.values()) node.stop();
  }

  #updateNodes(): void {
    for (const [owner, { action, nodes }] of this.#services) {
      const current = new Set(nodesWith(this.#api.broker, action));
      for (const [nodeID, reports] of nodes) {
        if (current.has(nodeID)) continue;
        reports.stop();
        nodes.delete(nodeID);
      }
      for (const nodeID of current)
        if (!nodes.has(nodeID)) nodes.set(nodeID, this.#reportsTo(owner, action, nodeID));
    }
  }

  #reportsTo(owner: string, action: string, nodeID: string): NodeReports {
    const { rooms } = (this.#api as Service & Gateways).io.of("/").adapter;
    const caller = ownContext(this.#api);
    // always reported: a socket is in them without having waited for a report
    const everyone = new Set(contractsOf(this.#api.broker).get(owner)?.rooms?.everyone);
    return new NodeReports({
      // the name and the parameters are those of a contract's `rooms.watch`
      send: (report) => caller.call(action as "chat.watchRooms", report, { nodeID }),
      hasSockets: (room) => everyone.has(room) || rooms.has(roomOf(owner, room)),
      all: function* all() {
        yield* everyone;
        for (const name of rooms.keys()) {
          const room = readRoom(name);
          if (room?.owner === owner) yield room.id;
        }
      },
    });
  }
}
