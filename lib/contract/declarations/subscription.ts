import type { Access } from "./access.ts";
import type { Schema } from "../schemas/infer.ts";
import type { Recipients } from "./socket.ts";

/**
 * An emitted event to which clients subscribe. Emit it with `broadcast`: every gateway needs it. Access, visibility and
 * filter are checked at each delivery, with the subscriber's access token of that moment.
 */
export interface SubscriptionContract extends Omit<Access, "restricted" | "auth"> {
  /** Every subscriber is a signed-in user: a socket needs an access token. */
  readonly auth: "required";
  /**
   * The fields of the payload by which a subscriber may filter, all of them optional: `{ authorId: "uuid|optional" }`.
   * Only events with exactly the given values are delivered.
   */
  readonly params?: Schema;
  /**
   * Who may see an event: every subscriber, the user whose id is in a field of the payload, or the sockets in the room of
   * this service whose id is in a field. There is no default.
   */
  readonly visible: Recipients;
}
