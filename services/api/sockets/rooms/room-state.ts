import type { Service } from "moleculer";
import type { Gateways } from "../../gateways.ts";
import { checkSockets } from "./membership-check.ts";
import { reportPresence } from "./presence-reports.ts";
import { RoomFence } from "./room-fence.ts";
import { RoomReports } from "./watched-rooms.ts";

/** What a gateway knows of the rooms of its sockets. */
interface RoomState {
  readonly fence: RoomFence;
  readonly reports: RoomReports;
}

const states = new WeakMap<Service, RoomState>();

/** The state of a started gateway. */
export function roomStateOf(api: Service): RoomState {
  const state = states.get(api);
  if (!state) throw new Error("The gateway's rooms were used before it has started.");
  return state;
}

/** Keeps the state of the rooms, and reports it to the services. @returns stops that; call it when all sockets are closed */
export function startRooms(api: Service & Gateways): () => Promise<void> {
  const fence: RoomFence = new RoomFence((room) =>
    checkSockets(api, room, (epoch) => fence.learn(room, epoch)),
  );
  const reports = new RoomReports(api);
  const stopPresence = reportPresence(api);
  api.io.of("/").adapter.on("delete-room", (room: string) => fence.forget(room));
  states.set(api, { fence, reports });
  return async () => {
    reports.stop();
    await stopPresence();
  };
}
