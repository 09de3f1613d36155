import type { SubjectType } from "../../tokens/subject-type.ts";

/**
 * Who may call an action or trigger an event handler. There is no default: a node with a declaration that lacks
 * `restricted` or `auth` does not start.
 */
export interface Access {
  /** The services that may call or emit; `null`: every caller, including a caller that is not a verified service. */
  readonly restricted: readonly string[] | null;
  /**
   * Whether it needs a user's access token. With `"none"` a token is not verified. With `"context"` the handler always
   * runs, and decides itself: `ctx.locals.authContext` has the user, or the error why there is none.
   */
  readonly auth: "required" | "optional" | "none" | "context";
  /**
   * What the user must hold, `"posts:write"`; of a list, any one suffices; `null`: no permission is needed. With
   * `auth: "required"` one of these is declared, unless STRICT_PERMISSIONS is false; otherwise none is.
   */
  readonly permissions?: string | readonly string[] | null;
  /**
   * The user must have one of these roles, and also hold `permissions` if both are declared. Only with `auth: "required"`.
   * Prefer `permissions`: which roles have one is decided in one place, and who may grant a role or change an account is
   * decided by permissions alone.
   */
  readonly roles?: readonly string[];
  /** The kinds of subject that may call; left out: every kind. Only with `auth: "required"`. */
  readonly subjects?: readonly SubjectType[];
}
