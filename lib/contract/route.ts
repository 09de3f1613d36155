import type { ActionContract } from "./declarations/action.ts";
import type { ExactAction } from "./exact.ts";

/** The service that calls actions on behalf of clients. */
export const GATEWAY = "api";

/** An action with a route or a socket event; `restricted` is needed only if other services may call it, too. */
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
