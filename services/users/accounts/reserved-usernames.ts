import { CitadelError } from "../../../lib/errors/errors.ts";
import { type AccessTokenClaims, holds } from "../../../lib/tokens/access-token.ts";

/** Names that users take for the operator's. The mailbox names are those of RFC 2142. */
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

/** Characters that look like others. Usernames are ASCII, so these are all (users.contract.ts). */
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

/** The same for all names that look alike. */
const skeletonOf = (name: string) =>
  LOOKALIKES.reduce((text, [looks, like]) => text.replace(looks, like), name.toLowerCase());

const SKELETONS: ReadonlySet<string> = new Set(RESERVED.map(skeletonOf));

/**
 * Refuses a username that looks like the operator's, except to those who may manage accounts.
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
