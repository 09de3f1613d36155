import type { SubjectType } from "../tokens/access-token.ts";

/** Who may come in. There is no default: a declaration without these keeps the node from starting. */
export interface Access {
  /** The services that may call or emit; `null`: every service, and callers that are none. */
  readonly restricted: readonly string[] | null;
  /** Does it need a user's access token? With `"none"` a token is not even looked at. */
  readonly auth: "required" | "optional" | "none";
  /** What the user must hold, `"posts:write"`. Only with `auth: "required"`. */
  readonly permissions?: string;
  /** The kinds of subject that may; left out: every kind. Only with `auth: "required"`. */
  readonly subjects?: readonly SubjectType[];
}
