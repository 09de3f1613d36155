import { describe, expect, it } from "vitest";
import {
  codeLimitMessage,
  loginLimitMessage,
  recoveryCodeLimitMessage,
} from "../../../services/users/login/limit-messages.ts";

describe("The message of a limit", () => {
  it.each([
    [1, "1 second"],
    [119, "119 seconds"],
    [120, "2 minutes"],
    [121, "3 minutes"],
    [7_200, "2 hours"],
    [86_400, "24 hours"],
  ])("states %d seconds as %s", (seconds, text) => {
    for (const message of [
      loginLimitMessage("account", seconds),
      codeLimitMessage(seconds),
      recoveryCodeLimitMessage(seconds),
    ])
      expect(message).toContain(`Try again in ${text}, `);
  });

  it("offers a new password by mail, except for the limit of an address on all accounts", () => {
    for (const limit of ["pair", "account", "everywhere"] as const)
      expect(loginLimitMessage(limit, 60)).toMatch(/set a new password now with a link by mail/);
    expect(loginLimitMessage("address", 60)).not.toMatch(/password now/);
  });
});
