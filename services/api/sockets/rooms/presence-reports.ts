import type { Service } from "moleculer";
import { contractsOf } from "../../../../lib/context/attachment.ts";
import { ownContext } from "../../../../lib/context/own-context.ts";
import { CitadelError } from "../../../../lib/errors/errors.ts";
import type { Gateways } from "../../gateways.ts";
import { userOf } from "../identity.ts";
import { readRoom, roomsOfEveryone } from "./room-names.ts";
import { nodesWith } from "./service-nodes.ts";
import { type SendPresence, ServicePresence } from "./service-presence.ts";

/** After this many milliseconds a report has failed. A gateway that stops waits no longer. */
const REPORT_TIMEOUT = 2_000;

/** Tells the services which users have sockets in their rooms, except in the rooms of everyone. @returns stops that */
export function reportPresence(api: Service & Gateways): () => Promise<void> {
  const services = new Map<string, ServicePresence>();
  for (const { name, rooms } of contractsOf(api.broker).values()) {
    if (rooms?.presence === undefined) continue;
    const action = `${name}.${rooms.presence}`;
    const caller = ownContext(api);
    const send: SendPresence = async (report) => {
      // Moleculer would log each call
      if (nodesWith(api.broker, action).length === 0) throw new CitadelError("ServiceNotAvailable");
      // the name and the parameters are those of a contract's `rooms.presence`
      return caller.call(action as "chat.reportPresence", report, { timeout: REPORT_TIMEOUT });
    };
    services.set(name, new ServicePresence(send));
  }
  const everyone = new Set(roomsOfEveryone(api));
  const { adapter, sockets } = api.io.of("/");
  const listen = (change: "join" | "leave") => (socketRoom: string, socketId: string) => {
    const room = everyone.has(socketRoom) ? undefined : readRoom(socketRoom);
    const socket = sockets.get(socketId);
    const user = socket && userOf(socket);
    if (room && user !== undefined) services.get(room.owner)?.[change](room.id, user, socketId);
  };
  adapter.on("join-room", listen("join"));
  adapter.on("leave-room", listen("leave"));
  return async () => {
    await Promise.all([...services.values()].map((service) => service.stop()));
  };
}
