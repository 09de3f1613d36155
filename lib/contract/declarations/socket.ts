/**
 * What a contract declares about Socket.IO: the events that clients receive (`socket` of an emitted event), the events that
 * they may send (`socket` of an action), and the rooms of the service (`rooms`). The gateway implements all of it.
 */

/**
 * Which sockets receive an event; `user` and `room` name the field of the payload that holds the id.
 *
 * `epoch` names the field that counts the removals from the room. An event whose count is higher than the one that a gateway
 * knows is held until the gateway has asked `rooms.mayJoin` again for each socket in the room: a removed user receives
 * nothing that was emitted after the removal, although the event about it was lost. Clients do not receive the field.
 */
export type Recipients =
  | "all"
  | { readonly user: string }
  | { readonly room: string; readonly epoch?: string };

/**
 * An emitted event that the gateway also sends to sockets. Emit it with `broadcast`: every gateway needs it. One for a room
 * is emitted with `this.rooms.broadcast` (mixins/rooms.ts): it is sent only to gateways with sockets in the room.
 */
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
   * Its result has the room's `epoch` if events have one.
   */
  readonly mayJoin?: string;
  /**
   * The action by which a gateway tells a node of this service in which rooms it has sockets (WATCHED_ROOMS). The mixin
   * `socketRooms` handles it.
   */
  readonly watch?: string;
  /** The action by which a gateway tells the service which users have sockets in its rooms (PRESENT_USERS). */
  readonly presence?: string;
}
