import type { Service, ServiceBroker, ServiceSchema } from "moleculer";
import type { Caller } from "../lib/contract/calls.ts";
import type { ServiceContract } from "../lib/contract/contract.ts";
import type { ReportResult, WatchReport } from "../lib/contract/declarations/socket-rooms.ts";
import type { Rooms } from "../lib/contract/rooms.ts";
import { GATEWAY } from "../lib/contract/route.ts";
import type { DirectedOptions } from "../middlewares/directed-broadcast.ts";

export type { Rooms };

interface Registry {
  readonly events: {
    getGroups(event: string): string[];
    getAllEndpoints(event: string, groups?: string[]): { readonly id: string }[];
  };
}

type Broadcast = (event: string, payload: unknown, options: DirectedOptions) => Promise<void>;

/** In which rooms of a service each gateway has sockets. */
class WatchedRooms {
  readonly #broker: ServiceBroker;
  /** The field of each event that holds the room's id. */
  readonly #fields: ReadonlyMap<string, string>;
  /** The rooms by the gateway's node id. A gateway that is missing has not told them. */
  readonly #watched = new Map<string, Set<string>>();

  constructor(broker: ServiceBroker, { emits = {} }: ServiceContract) {
    this.#broker = broker;
    this.#fields = new Map(
      Object.entries(emits).flatMap(([event, { socket, subscribe }]) => {
        const to = socket?.to ?? subscribe?.visible;
        return typeof to === "object" && "room" in to ? [[event, to.room]] : [];
      }),
    );
  }

  async broadcast(ctx: Pick<Caller, "broadcast">, event: string, payload: object): Promise<void> {
    const room = (payload as Readonly<Record<string, unknown>>)[this.#fields.get(event) ?? ""];
    const { gateways, others } = this.#handlersOf(event);
    const watching = gateways.filter((id) => this.#watched.get(id)?.has(String(room)) ?? true);
    const nodeIDs = new Set([...watching, ...others]);
    if (nodeIDs.size === 0 && gateways.length > 0) return;
    // the types of `broadcast` have only the options that handlers may use
    const broadcast = ctx.broadcast.bind(ctx) as Broadcast;
    await broadcast(event, payload, watching.length < gateways.length ? { nodeIDs } : {});
  }

  /** The nodes whose gateway handles an event, and those on which another service does. */
  #handlersOf(event: string): { gateways: string[]; others: string[] } {
    const { events } = (this.#broker as unknown as { registry: Registry }).registry;
    const groups = events.getGroups(event).filter((group) => group !== GATEWAY);
    const nodesOf = (...names: string[]) =>
      names.length === 0 ? [] : events.getAllEndpoints(event, names).map(({ id }) => id);
    return { gateways: nodesOf(GATEWAY), others: nodesOf(...groups) };
  }

  watch(nodeID: string, { whole, added, removed }: WatchReport): ReportResult {
    const rooms = whole ? new Set<string>() : this.#watched.get(nodeID);
    if (!rooms) return { isKnown: false };
    for (const id of removed) rooms.delete(id);
    for (const id of added) rooms.add(id);
    this.#watched.set(nodeID, rooms);
    return { isKnown: true };
  }

  forget(nodeID: string): void {
    this.#watched.delete(nodeID);
  }
}

interface WithRooms extends Service {
  rooms?: WatchedRooms;
  stopForgetting?: () => void;
}

/**
 * Gives a service `this.rooms` (lib/contract/rooms.ts). Its contract declares the action `rooms.watch`, whose handler is
 * `this.rooms.watch(ctx.nodeID, ctx.params)`.
 */
export function socketRooms(contract: ServiceContract): Partial<ServiceSchema> {
  return {
    created(this: WithRooms) {
      const rooms = new WatchedRooms(this.broker, contract);
      const forget = ({ node }: { node: { id: string } }) => rooms.forget(node.id);
      this.broker.localBus.on("$node.disconnected", forget);
      this.stopForgetting = () => this.broker.localBus.off("$node.disconnected", forget);
      this.rooms = rooms;
    },

    async stopped(this: WithRooms) {
      this.stopForgetting?.();
    },
  };
}
