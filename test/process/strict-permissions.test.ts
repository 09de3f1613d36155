import { describe, expect, it } from "vitest";
import type { ServiceContract } from "../../lib/contract/contract.ts";
import { defineContract } from "../../lib/contract/contract.ts";
import { implement } from "../../lib/contract/implement.ts";
import { route } from "../../lib/contract/route.ts";
import { startApp } from "../helpers/app.ts";
import { register, request } from "../helpers/http.ts";

const migrating = defineContract({
  name: "migrating",
  permissions: { spare: { title: "Migrating: Spare", description: "Nothing yet." } },
  actions: {
    look: route({
      description: "Needs a user, and says nothing about a permission.",
      rest: "GET /api/migrating",
      auth: "required",
      params: {},
      result: "string",
    }),
  },
});

const service = implement<typeof migrating>(
  migrating,
  { actions: { look: async () => "seen" } },
  {},
  [migrating],
);

const start = (settings: Record<string, string>, contract: ServiceContract = migrating) =>
  startApp(settings, { services: [service], contracts: [contract] });

describe("A node with undecided and unused permissions", () => {
  it("does not start, and names them", async () => {
    await expect(start({})).rejects.toThrow(
      /migrating\.look needs a user: name a permission, or declare 'permissions: null'[^]*permission migrating:spare/,
    );
  });

  it("starts with STRICT_PERMISSIONS=false", async () => {
    const app = await start({ STRICT_PERMISSIONS: "false" });
    try {
      const { token } = await register(app);
      expect((await request(app, "GET /api/migrating", { token })).body).toBe("seen");
    } finally {
      await app.stop();
    }
  });

  it("does not start with another value of STRICT_PERMISSIONS", async () => {
    await expect(start({ STRICT_PERMISSIONS: "maybe" })).rejects.toThrow(
      "STRICT_PERMISSIONS must be one of true, false",
    );
  });
});
