import type { ActionContract } from "./action.ts";
import type { ExactAction } from "./exact.ts";

/** The service that makes the calls of users. */
export const GATEWAY = "api";

/** An action with a route or a socket event; `restricted` is needed only where more than the gateway may call it. */
type RouteContract = Omit<ActionContract, "restricted"> &
  (Required<Pick<ActionContract, "rest">> | Required<Pick<ActionContract, "socket">>) &
  Partial<Pick<ActionContract, "restricted">>;

/**
 * An action that users reach through its route or its socket event, and that only the gateway may call unless `restricted`
 * says otherwise.
 */
export const route = <const A extends RouteContract>(
  action: A & ExactAction<A>,
): A & Pick<ActionContract, "restricted"> => ({ restricted: [GATEWAY], ...action });
