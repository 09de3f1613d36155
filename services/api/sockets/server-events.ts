import type { Context, Service, ServiceSchema } from "moleculer";
import { contractsOf } from "../../../lib/context/attachment.ts";
import type { Recipients } from "../../../lib/contract/declarations/socket.ts";
import {
  accessOfServerEvent,
  type ServerEvent,
  serverEvents,
} from "../../../lib/contract/declarations/socket-events.ts";
import type { Gateways } from "../gateways.ts";
import { idOf, type Payload, payloadReader, splitEpoch } from "../payloads.ts";
import type { InRoom } from "../subscriptions/topic.ts";
import { ROOM_OF_ALL, roomOf, roomOfUser, roomsOfEveryone } from "./rooms/room-names.ts";
import { roomStateOf } from "./rooms/room-state.ts";

/**
 * Event handlers that send what services emit to sockets, one for each declaration in a contract. Every gateway has
 * them and sends to its own sockets.
 */
export function serverEventHandlers(api: Service): NonNullable<ServiceSchema["events"]> {
  const everyone = new Set(roomsOfEveryone(api));
  return Object.fromEntries(
    serverEvents(contractsOf(api.broker)).map((event) => {
      const read = payloadReader(api, event.params);
      const handler = async (ctx: Context) => send(api, event, read(ctx.params), everyone);
      return [event.name, { ...accessOfServerEvent(event.service), handler }];
    }),
  );
}

/** Delivers the events of rooms to subscribers: at once, or after it was checked again who may be in the room. */
export function roomCheck(api: Service): InRoom {
  const everyone = new Set(roomsOfEveryone(api));
  return ({ service, id, epoch }, deliver) =>
    deliverInRoom(api, everyone, { room: roomOf(service, id), epoch, deliver });
}

function send(
  api: Service,
  { service, socket: { event, to, join, leave } }: ServerEvent,
  payload: Payload,
  everyone: ReadonlySet<string>,
): void {
  const { io } = api as unknown as Gateways;
  const room = roomOfRecipients(service, to, payload);
  const { epoch, shown } = splitEpoch(to, payload);
  const deliver = () => {
    const recipients = io.local.to(room);
    if (join !== undefined) recipients.socketsJoin(roomOf(service, idOf(payload, join)));
    recipients.emit(event, shown);
    if (leave !== undefined) recipients.socketsLeave(roomOf(service, idOf(payload, leave)));
  };
  deliverInRoom(api, everyone, { room, epoch, deliver });
}

/** Delivers an event of a room at once, or after it was checked again who may be in the room (rooms/room-fence.ts). */
function deliverInRoom(
  api: Service,
  everyone: ReadonlySet<string>,
  { room, epoch, deliver }: { room: string; epoch: number | undefined; deliver: () => void },
): void {
  if (epoch === undefined || everyone.has(room)) return deliver();
  const { io } = api as unknown as Gateways;
  if (io.of("/").adapter.rooms.has(room)) roomStateOf(api).fence.pass(room, epoch, deliver);
}

function roomOfRecipients(service: string, to: Recipients, payload: Payload): string {
  if (to === "all") return ROOM_OF_ALL;
  return "user" in to
    ? roomOfUser(idOf(payload, to.user))
    : roomOf(service, idOf(payload, to.room));
}
