import { GATEWAY } from "../route.ts";
import type { Output, ValueOf } from "../schemas/infer.ts";

// What gateways tell a service about its rooms. A report is about the gateway that sends it, whose node id the bus has
// verified. The rooms that every socket joins have no presence: each connection would be an event for all sockets.

const REPORT = { restricted: [GATEWAY], auth: "none", closed: true } as const;

const ROOMS = { type: "array", max: 10_000, items: "string|max:255" } as const;

const USERS = {
  type: "array",
  max: 10_000,
  items: {
    type: "object",
    props: {
      room: "string|max:255",
      users: { type: "array", max: 10_000, items: "string|max:255" },
    },
  },
} as const;

/** `isKnown: false`: the service does not know what the gateway reported before. Send a whole report. */
const RESULT = { type: "object", props: { isKnown: "boolean" } } as const;

/** The action `rooms.watch`: the rooms in which a gateway has sockets. */
export const WATCHED_ROOMS = {
  description: "Tells this node in which rooms a gateway has sockets.",
  ...REPORT,
  params: {
    /** A whole report replaces all earlier ones. */
    whole: "boolean",
    added: ROOMS,
    removed: ROOMS,
  },
  result: RESULT,
} as const;

/** The action `rooms.presence`: the users who have sockets in rooms. An empty report renews the gateway's lease. */
export const PRESENT_USERS = {
  description:
    "Tells which users have sockets in rooms. Without a report, they are absent after 15 seconds.",
  ...REPORT,
  params: {
    whole: "boolean",
    present: USERS,
    absent: USERS,
  },
  result: RESULT,
} as const;

export type WatchReport = Output<(typeof WATCHED_ROOMS)["params"]>;
export type PresenceReport = Output<(typeof PRESENT_USERS)["params"]>;
export type ReportResult = ValueOf<typeof RESULT>;
