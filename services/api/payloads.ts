import type { Service } from "moleculer";
import type { Recipients } from "../../lib/contract/declarations/socket.ts";
import { removingUndeclared } from "../../lib/contract/declarations/socket-events.ts";
import { type Finding, toFindings } from "../../lib/contract/schemas/findings.ts";
import type { Schema } from "../../lib/contract/schemas/infer.ts";
import { CitadelError } from "../../lib/errors/errors.ts";

// The payloads of the events that services emit for clients.

export type Payload = Readonly<Record<string, unknown>>;

/** Reads the declared fields of a payload, at every depth. It copies the payload, which other handlers read, too. */
export function payloadReader(
  { broker }: Pick<Service, "broker">,
  params: Schema,
): (payload: unknown) => Payload {
  return reader(broker, removingUndeclared(params));
}

/** @throws CitadelError VALIDATION_ERROR, by the returned function, for a value that does not fit the schema */
export function reader(broker: Service["broker"], schema: Schema): (value: unknown) => Payload {
  const check = broker.validator?.compile(schema);
  if (!check) throw new Error("The gateway needs the broker's validator.");
  return (value) => {
    const copy = structuredClone(value) as Payload;
    const found = check(copy) as true | Finding[];
    if (found !== true) throw new CitadelError("VALIDATION_ERROR", { data: toFindings(found) });
    return copy;
  };
}

/** The epoch of an event for a room, and the payload that clients receive. */
export function splitEpoch(to: Recipients, payload: Payload): { epoch?: number; shown: Payload } {
  if (to === "all" || "user" in to || to.epoch === undefined) return { shown: payload };
  const { [to.epoch]: epoch, ...shown } = payload;
  return { epoch: epoch as number, shown };
}

/** The start checks that these fields are texts, and that the epoch is a number (lib/access/socket-problems.ts). */
export const idOf = (payload: Payload, field: string) => payload[field] as string;
