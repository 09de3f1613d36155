import { describe, expect, it } from "vitest";
import { expiryOfUnverified } from "../../../services/users/accounts/account-rules.ts";

describe("an account that its owner registered", () => {
  it("expires after a week where mail is delivered", () => {
    const week = 7 * 86_400_000;
    const expiry = expiryOfUnverified("smtp://mail.example.com")!.getTime() - Date.now();
    expect(expiry).toBeGreaterThan(week - 60_000);
    expect(expiry).toBeLessThanOrEqual(week);
  });

  it("does not expire where nobody gets the link that verifies its address", () => {
    expect(expiryOfUnverified(undefined)).toBeUndefined();
  });
});
