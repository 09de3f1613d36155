import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Command, run } from "../helpers/command.ts";
import { copyApplication } from "../helpers/copy.ts";
import { login, register, request } from "../helpers/http.ts";
import { freePort } from "../helpers/servers.ts";

// It adds a service, so it works on a copy.
describe("npm run new:service", () => {
  const { folder: copy, remove } = copyApplication();

  afterAll(remove);

  const node = (script: string, ...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(
        process.execPath,
        [join(copy, "scripts", script), ...args],
        (error, stdout, stderr) =>
          resolve({ code: error ? (error.code as number) : 0, stdout, stderr }),
      );
    });
  const read = (file: string) => readFileSync(join(copy, file), "utf8");

  it.each([
    ["users", "There is a service 'users' already"],
    ["Notes", "lower-case letters and digits only"],
    ["my-notes", "lower-case letters and digits only"],
    ["$notes", "lower-case letters and digits only"],
    ["../notes", "lower-case letters and digits only"],
    ["note", "is no plural"],
    ["nats", "means something else here"],
    ["migrations", "means something else here"],
    ["", "Usage: npm run new:service"],
  ])("makes no service called '%s', and says why", async (name, why) => {
    const before = read("access.json");
    const { code, stderr } = await node("new-service.ts", name);
    expect(code).toBe(1);
    expect(stderr).toContain(why);
    expect(read("access.json")).toBe(before);
  });

  describe("makes a service that", () => {
    let app: { url: string };
    let dev: Command;
    let made: Awaited<ReturnType<typeof node>>;

    beforeAll(async () => {
      made = await node("new-service.ts", "notes");
      // a permission that nothing needs, to be warned of
      const contract = "services/chat/chat.contract.ts";
      const changed = read(contract).replace("permissions: {", '$&\n    spare: "",');
      writeFileSync(join(copy, contract), changed);
      await node("access.ts");
      const port = await freePort();
      app = { url: `http://127.0.0.1:${port}` };
      dev = run(
        "dev",
        { DATA_DIR: join(copy, ".data"), PORT: String(port), BCRYPT_COST: "4" },
        copy,
      );
      await dev.shows(/started successfully/);
    });
    afterAll(() => dev?.stop());

    it("has a contract, handlers, SQL, a table, a test and a container", () => {
      expect(made).toMatchObject({ code: 0, stderr: "" });
      for (const file of [
        "services/notes/notes.contract.ts",
        "services/notes/notes.service.ts",
        "services/notes/notes.repository.ts",
        "services/notes/migrations/0001-notes.ts",
        "test/integration/notes.test.ts",
      ]) {
        expect(made.stdout).toContain(file);
        expect(read(file)).not.toContain("{{");
      }
      expect(read("docker-compose.yml")).toContain("      SERVICES: notes\n");
      expect(read(".env.example")).toContain("#NOTES_AUTH_TOKEN_FILE=\n");
      expect(made.stdout).toContain("services/users/roles.ts");
    });

    it("is in access.json", async () => {
      expect((await node("access.ts", "--check")).code).toBe(0);
      expect(read("access.json")).toContain('"route": "POST /api/notes"');
    });

    it("is not made twice", async () => {
      const { code, stderr } = await node("new-service.ts", "notes");
      expect(code).toBe(1);
      expect(stderr).toContain("There is a service 'notes' already");
      expect(existsSync(join(copy, "services", "notes", "notes.service.ts"))).toBe(true);
    });

    it("is reachable, described and protected, without a line in the gateway", async () => {
      const { body: description } = await request(app, "GET /openapi.json");
      expect(description.paths["/api/notes"].post).toMatchObject({
        operationId: "notes.create",
        "x-permissions": ["notes:write"],
      });
      expect(Object.keys(description.paths["/api/notes/{id}"])).toEqual(["get", "delete"]);

      const body = { text: "Hello" };
      const anonymous = await request(app, "POST /api/notes", { body });
      expect([anonymous.status, anonymous.body.type]).toEqual([401, "AccessTokenRequired"]);
      const { token } = await register(app as never, "alice");
      const refused = await request(app, "POST /api/notes", { token, body });
      expect([refused.status, refused.body.type]).toEqual([403, "UserNotAuthorized"]);

      const [, password] = /The first administrator: admin \/ (\S+)/.exec(dev.output()) ?? [];
      const admin = await login(app as never, "admin", password!);
      // neither refusal has run the handler
      expect((await request(app, "GET /api/notes", admin)).body.items).toEqual([]);
      const { status } = await request(app, "POST /api/notes", { ...admin, body });
      expect(status).toBe(201);
    });

    it("starts with the warnings about the contracts in the log, each once", () => {
      expect(dev.output().match(/permission chat:spare: no action needs it/g)).toHaveLength(1);
    });

    it("answers those inside who ask for a user, and nobody else", async () => {
      dev.type("call notes.list");
      await dev.shows(/ServiceTokenRequired/);
      dev.type("as admin notes.create --text Hello");
      await dev.shows(/text: 'Hello'/);
      dev.type("can posts notes.list");
      await dev.shows(/no: notes\.list is restricted to api/);
    });
  });
});
