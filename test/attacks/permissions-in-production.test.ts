import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { defineContract } from "../../lib/contract/contract.ts";
import { secretsOf } from "../../lib/contract/declarations/declared-secrets.ts";
import type { Handlers } from "../../lib/contract/handlers.ts";
import { implement } from "../../lib/contract/implement.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { route } from "../../lib/contract/route.ts";
import { makeSecrets } from "../../lib/deployment/secrets.ts";
import { type App, startApp } from "../helpers/app.ts";
import { administrator, type Person, request } from "../helpers/http.ts";
import { watchRuns } from "../helpers/runs.ts";
import { claimsOf } from "../helpers/tokens.ts";

const lab = defineContract({
  name: "lab",
  permissions: {
    use: { title: "Lab: Use", description: "Use the lab." },
    reset: { title: "Lab: Reset", description: "Reset the lab.", usedForDevelopment: true },
    control: {
      title: "Lab: Control",
      description: "Control the lab.",
      usedByManagedServiceOnly: true,
    },
  },
  actions: {
    use: route({
      description: "Uses the lab.",
      rest: "POST /api/lab",
      auth: "required",
      permissions: "lab:use",
      params: {},
      result: null,
    }),
    reset: route({
      description: "Resets the lab.",
      rest: "DELETE /api/lab",
      auth: "required",
      permissions: "lab:reset",
      params: {},
      result: null,
    }),
    control: route({
      description: "Controls the lab.",
      rest: "PUT /api/lab",
      auth: "required",
      permissions: "lab:control",
      params: {},
      result: null,
    }),
  },
});

const handlers: Handlers<typeof lab> = {
  actions: { use: async () => {}, reset: async () => {}, control: async () => {} },
};
const service = implement<typeof lab>(lab, handlers, {}, [lab]);

/** A folder with the secrets of production, and the settings that name them. */
function production(): { folder: string; settings: Record<string, string> } {
  const folder = mkdtempSync(join(tmpdir(), "citadel-production-"));
  const secrets = secretsOf([...loadContracts().values(), lab]);
  makeSecrets(join(folder, "secrets"), secrets);
  cpSync(inject("embeddedTemplate"), join(folder, "database"), { recursive: true });
  const files = secrets
    .filter(({ variable }) => variable !== "ADMIN_PASSWORD")
    .map((secret) => [
      `${secret.variable}_FILE`,
      join(folder, "secrets", secret.service, secret.name),
    ]);
  const settings = {
    NODE_ENV: "production",
    DATA_DIR: folder,
    BCRYPT_COST: "10",
    HOST: "127.0.0.1",
  };
  return { folder, settings: { ...settings, ...Object.fromEntries(files) } };
}

/** What an administrator can get and give there. */
const describeIn = (
  environment: "development" | "production",
  isGrantable: { readonly reset: boolean },
) =>
  describe(`A permission in ${environment}`, () => {
    let app: App;
    let admin: Person;
    let folder: string | undefined;
    const runs = watchRuns();

    beforeAll(async () => {
      const made = environment === "production" ? production() : undefined;
      folder = made?.folder;
      app = await startApp(made?.settings, {
        services: [service],
        contracts: [lab],
        broker: runs.broker,
      });
      admin = await administrator(app);
    }, 60_000);
    afterAll(async () => {
      await app?.stop();
      if (folder) rmSync(folder, { recursive: true, force: true });
    });

    const send = (target: string, body?: object) =>
      request(app, target, { token: admin.token, body });

    it.each([
      ["lab:use", true],
      ["lab:reset", isGrantable.reset],
      ["lab:control", false],
    ])(
      "%s: administrators hold it, and roles and service accounts get it: %s",
      async (name, may) => {
        const key = name.split(":")[1]!;
        expect(claimsOf(admin.token).permissions.lab.includes(key)).toBe(may);
        const shown = (await send("GET /api/permissions")).body.items;
        expect(shown.find((one: any) => one.name === name).grantable).toBe(may);

        const method = { use: "POST", reset: "DELETE", control: "PUT" }[key]!;
        const before = runs.of(`lab.${key}`);
        expect((await send(`${method} /api/lab`)).status).toBe(may ? 204 : 403);
        expect(runs.of(`lab.${key}`)).toBe(may ? before + 1 : before);

        const role = await send("POST /api/roles", { name: key, title: key, permissions: [name] });
        expect(role.status).toBe(may ? 201 : 422);
        if (!may) {
          expect(role.body.data).toMatchObject([
            { field: "permissions[0]", type: "permissionNotGrantable" },
          ]);
          const change = { title: "Empty", permissions: [name], staff: false };
          await send("POST /api/roles", { name: `no-${key}`, title: "Empty", permissions: [] });
          expect((await send(`PUT /api/roles/no-${key}`, change)).status).toBe(422);
          expect((await send(`GET /api/roles/no-${key}`)).body.permissions).toEqual([]);
        }

        const robots = async () => (await send("GET /api/auth/service-accounts")).body.items.length;
        const count = await robots();
        const robot = { name: `robot ${key}`, permissions: [name] };
        const { status } = await send("POST /api/auth/service-accounts", robot);
        expect([201, 403, 422]).toContain(status);
        expect(status === 201).toBe(may);
        expect(await robots()).toBe(may ? count + 1 : count);
      },
    );

    it("that a stored role cannot have here is not granted by it", async () => {
      // as development, or an older version, has stored it
      const { db } = app.service("users") as unknown as { db: any };
      const stored = { title: "Old", staff: false, created_by: admin.id };
      const permissions = ["lab:use", "lab:reset", "lab:control", "lab:gone"];
      await db
        .insertInto("roles")
        .values({ name: "old", ...stored, permissions })
        .execute();
      await send(`PUT /api/users/${admin.id}/roles`, { roles: ["admin", "old"] });
      admin = await administrator(app);
      expect(claimsOf(admin.token).permissions.lab.toSorted()).toEqual(
        isGrantable.reset ? ["reset", "use"] : ["use"],
      );
    });
  });

describeIn("development", { reset: true });
describeIn("production", { reset: false });
