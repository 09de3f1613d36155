import { CitadelError } from "../../../lib/errors/errors.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";

/** Usernames that would look like the operator's. Some are the mailbox names of RFC 2142. */
const RESERVED = [
  "abuse",
  "admin",
  "administrator",
  "citadel",
  "helpdesk",
  "hostmaster",
  "mod",
  "moderator",
  "official",
  "operator",
  "owner",
  "postmaster",
  "root",
  "security",
  "staff",
  "superuser",
  "support",
  "sysadmin",
  "system",
  "team",
  "webmaster",
] as const;

/** Characters that look like others. Usernames are ASCII (users.contract.ts), so that this list is complete. */
const LOOKALIKES: readonly (readonly [RegExp, string])[] = [
  [/[._-]/g, ""],
  [/0/g, "o"],
  [/[1l]/g, "i"],
  [/3/g, "e"],
  [/4/g, "a"],
  [/5/g, "s"],
  [/7/g, "t"],
  [/rn/g, "m"],
  [/vv/g, "w"],
];

/** One text for all names that look alike. */
const skeletonOf = (name: string) =>
  LOOKALIKES.reduce((text, [looks, like]) => text.replace(looks, like), name.toLowerCase());

const SKELETONS: ReadonlySet<string> = new Set(RESERVED.map(skeletonOf));

/**
 * Refuses a username that looks like the operator's, unless the user holds `users:write`.
 *
 * @throws CitadelError Conflict
 */
export function mustNotBeReserved(username: string, user?: AccessTokenClaims): void {
  if (!SKELETONS.has(skeletonOf(username))) return;
  if (user && holds(user, "users:write")) return;
  throw new CitadelError("Conflict", {
    message: "This username is reserved. Choose another.",
    data: [{ field: "username", type: "reserved" }],
  });
}
