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
import { ROOM_OF_ALL, roomOf, roomOfUser } from "./room-names.ts";

type Payload = Readonly<Record<string, unknown>>;

/**
 * Event handlers that send what services emit to sockets, one for each declaration in a contract. Every gateway has
 * them and sends to its own sockets.
 */
export function serverEventHandlers(api: Service): NonNullable<ServiceSchema["events"]> {
  return Object.fromEntries(
    serverEvents(contractsOf(api.broker)).map((event) => {
      const read = payloadReader(api, event.params);
      const handler = async (ctx: Context) =>
        send(api as unknown as Gateways, event, read(ctx.params));
      return [event.name, { ...accessOfServerEvent(event.service), handler }];
    }),
  );
}

function send({ io }: Gateways, { service, socket }: ServerEvent, payload: Payload): void {
  const { event, to, join, leave } = socket;
  const recipients = io.local.to(roomOfRecipients(service, to, payload));
  if (join !== undefined) recipients.socketsJoin(roomOf(service, idOf(payload, join)));
  recipients.emit(event, payload);
  if (leave !== undefined) recipients.socketsLeave(roomOf(service, idOf(payload, leave)));
}

function roomOfRecipients(service: string, to: Recipients, payload: Payload): string {
  if (to === "all") return ROOM_OF_ALL;
  return "user" in to
    ? roomOfUser(idOf(payload, to.user))
    : roomOf(service, idOf(payload, to.room));
}

/** The start checks that these fields are texts (lib/access/socket-problems.ts). */
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
