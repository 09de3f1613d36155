/**
 * What a contract declares about Socket.IO: the events that clients receive (`socket` of an emitted event), the events that
 * they may send (`socket` of an action), and the rooms of the service (`rooms`). The gateway implements all of it.
 */

/** Which sockets receive an event; `user` and `room` name the field of the payload that holds the id. */
export type Recipients = "all" | { readonly user: string } | { readonly room: string };

/** An emitted event that the gateway also sends to sockets. Emit it with `broadcast`: every gateway needs it. */
export interface ServerEventContract {
  /** Its name for clients, unique among all services. */
  readonly event: string;
  readonly to: Recipients;
  /** The field of the payload that holds a room's id: the recipients' sockets join the room, then receive the event. */
  readonly join?: string;
  /** The field that holds a room's id: the recipients' sockets receive the event, then leave the room. */
  readonly leave?: string;
}

/** An event from a client that calls an action; the acknowledgement carries the result. */
export interface ClientEventContract {
  /** Its name for clients, unique among all services. */
  readonly event: string;
  /** Parameters of the action that have another name in the event: `{ id: "roomId" }`. */
  readonly names?: Readonly<Record<string, string>>;
  /** Values of parameters that the event leaves out: `{ id: "lobby" }`. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /**
   * The parameter that holds a room's id: if `rooms.mayJoin` permits it, the socket joins the room, then the action runs.
   * The action checks again that the user may be in the room: its refusal makes the socket leave.
   */
  readonly join?: string;
  /** The parameter that holds the id of a room: the socket leaves the room, then the action runs. */
  readonly leave?: string;
}

/** The rooms of a service: groups of sockets. Two services may use the same id for different rooms. */
export interface RoomsContract {
  /** Rooms that every socket joins at the handshake. */
  readonly everyone?: readonly string[];
  /**
   * The action of this service that decides who may be in its other rooms. The gateway calls it with `{ id }` on behalf of
   * the socket's user; an error refuses the room. After NATS was disconnected it is called again for each room.
   */
  readonly mayJoin?: string;
}
