import { describe, expect, it } from "vitest";
import { mustNotBeReserved } from "../../../services/users/accounts/reserved-usernames.ts";
import type { AccessTokenClaims } from "../../../lib/tokens/access-token.ts";

/** The claims of a user with these permissions of the users service. */
const userWith = (...users: string[]) =>
  ({ sub: "1", permissions: { users } }) as unknown as AccessTokenClaims;

describe("mustNotBeReserved", () => {
  it.each(["admin", "Ad-min", "r00t", "5upport", "rnoderator", "s.y.s_t-e.m"])(
    "refuses %s for users without users:write",
    (username) => {
      const conflict = expect.objectContaining({
        type: "Conflict",
        data: [{ field: "username", type: "reserved" }],
      });
      expect(() => mustNotBeReserved(username)).toThrow(conflict);
      expect(() => mustNotBeReserved(username, userWith("read"))).toThrow(conflict);
      expect(() => mustNotBeReserved(username, userWith("write"))).not.toThrow();
    },
  );

  it.each(["alice", "adminton", "rooter", "teams"])("accepts %s", (username) => {
    expect(() => mustNotBeReserved(username)).not.toThrow();
  });
});
