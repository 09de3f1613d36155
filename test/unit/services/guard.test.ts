import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { groupPermissions } from "../../../lib/tokens/access-token.ts";
import GuardService from "../../../services/guard/guard.service.ts";
import { startService } from "../../fixtures/service.ts";
import { claimsOf } from "../../helpers/tokens.ts";

const OPERATOR = { permissions: groupPermissions(["guard:operate", "guard:audit"]) };

const entry = (event: "login.failed" | "login.succeeded") => ({
  id: randomUUID(),
  at: new Date().toISOString(),
  event,
  actor: "alice",
});

describe("The guard service", () => {
  const guard = startService(GuardService, { as: OPERATOR });
  const list = async () => (await guard.call("guard.audit", { limit: 100 })).items;

  it("generates a credential that names its service", async () => {
    const credential = await guard.call("guard.generate", { service: "notes" });
    expect(claimsOf(credential)).toMatchObject({ sub: "notes" });
  });

  it("refuses a name that no service can have", async () => {
    await expect(guard.call("guard.generate", { service: "no tes" })).rejects.toMatchObject({
      type: "VALIDATION_ERROR",
    });
  });

  it("answers NotFound when an unknown credential is revoked", async () => {
    await expect(guard.call("guard.revoke", { id: randomUUID() })).rejects.toMatchObject({
      type: "NotFound",
    });
  });

  it("stores audit entries once, with the service that recorded them", async () => {
    const entries = [entry("login.failed"), entry("login.succeeded")];
    for (let times = 0; times < 2; times++)
      await guard.call("guard.record", { entries }, { as: null, from: "users" });
    const ids = new Set<string>(entries.map(({ id }) => id));
    const stored = (await list()).filter(({ id }) => ids.has(id));
    expect(stored).toHaveLength(2);
    for (const one of stored) expect(one).toMatchObject({ service: "users", actor: "alice" });
  });

  it("refuses audit entries of a caller that is no service", async () => {
    await expect(
      guard.call("guard.record", { entries: [entry("login.failed")] }, { as: null }),
    ).rejects.toMatchObject({ type: "ServiceTokenRequired" });
  });

  it("shows the audit trail only to a user with the permission guard:audit", async () => {
    await expect(guard.call("guard.audit", {}, { as: {} })).rejects.toMatchObject({
      type: "UserNotAuthorized",
    });
  });
});
