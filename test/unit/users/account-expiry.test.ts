import { describe, expect, it } from "vitest";
import { expiryOfUnverified } from "../../../services/users/accounts/account-removal.ts";

describe("a registered account", () => {
  it("expires after 7 days if there is a mail server", () => {
    const week = 7 * 86_400_000;
    const expiry = expiryOfUnverified("smtp://mail.example.com")!.getTime() - Date.now();
    expect(expiry).toBeGreaterThan(week - 60_000);
    expect(expiry).toBeLessThanOrEqual(week);
  });

  it("does not expire without a mail server, since its owner gets no link to verify it", () => {
    expect(expiryOfUnverified(undefined)).toBeUndefined();
  });
});
