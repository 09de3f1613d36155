import type { Context, Service, ServiceSchema } from "moleculer";
import { contractsOf } from "../../../lib/context/attachment.ts";
import { type Finding, toFindings } from "../../../lib/contract/schemas/findings.ts";
import type { Schema } from "../../../lib/contract/schemas/infer.ts";
import type { Recipients } from "../../../lib/contract/declarations/socket.ts";
import {
  accessOfServerEvent,
  removingUndeclared,
  type ServerEvent,
  serverEvents,
} from "../../../lib/contract/declarations/socket-events.ts";
import { CitadelError } from "../../../lib/errors/errors.ts";
import type { Gateways } from "../gateways.ts";
import { ROOM_OF_ALL, roomOf, roomOfUser, roomsOfEveryone } from "./rooms/room-names.ts";
import { roomStateOf } from "./rooms/room-state.ts";

type Payload = Readonly<Record<string, unknown>>;

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
  if (epoch === undefined || everyone.has(room)) return deliver();
  if (io.of("/").adapter.rooms.has(room)) roomStateOf(api).fence.pass(room, epoch, deliver);
}

/** The epoch of an event for a room, and the payload that clients receive. */
function splitEpoch(to: Recipients, payload: Payload): { epoch?: number; shown: Payload } {
  if (to === "all" || "user" in to || to.epoch === undefined) return { shown: payload };
  const { [to.epoch]: epoch, ...shown } = payload;
  return { epoch: epoch as number, shown };
}

function roomOfRecipients(service: string, to: Recipients, payload: Payload): string {
  if (to === "all") return ROOM_OF_ALL;
  return "user" in to
    ? roomOfUser(idOf(payload, to.user))
    : roomOf(service, idOf(payload, to.room));
}

/** The start checks that these fields are texts, and that the epoch is a number (lib/access/socket-problems.ts). */
const idOf = (payload: Payload, field: string) => payload[field] as string;

/** Reads the declared fields of a payload, at every depth. It copies the payload, which other handlers read, too. */
function payloadReader({ broker }: Service, params: Schema): (payload: unknown) => Payload {
  const check = broker.validator?.compile(removingUndeclared(params));
  if (!check) throw new Error("The gateway needs the broker's validator.");
  return (payload) => {
    const copy = structuredClone(payload) as Payload;
    const found = check(copy) as true | Finding[];
    if (found !== true) throw new CitadelError("VALIDATION_ERROR", { data: toFindings(found) });
    return copy;
  };
}
