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
  const { folder: copy, remove } = copyApplication("all");

  afterAll(remove);

  const execute = (program: string, ...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      // without the variables of this test run
      const env = { PATH: process.env.PATH, HOME: process.env.HOME };
      execFile(program, args, { cwd: copy, env }, (error, stdout, stderr) =>
        resolve({ code: error ? (error.code as number) : 0, stdout, stderr }),
      );
    });
  const node = (script: string, ...args: string[]) =>
    execute(process.execPath, join("scripts", script), ...args);
  const git = (...args: string[]) =>
    execute("git", "-c", "user.name=test", "-c", "user.email=test@example.com", ...args);
  const read = (file: string) => readFileSync(join(copy, file), "utf8");

  it.each([
    ["users", "There is a service 'users' already"],
    ["Notes", "lower-case letters and digits only"],
    ["my-notes", "lower-case letters and digits only"],
    ["$notes", "lower-case letters and digits only"],
    ["../notes", "lower-case letters and digits only"],
    ["note", "is no plural"],
    ["nats", "has another meaning here"],
    ["migrations", "has another meaning here"],
    ["", "Usage: npm run new:service"],
  ])("refuses the name '%s' and explains why", async (name, why) => {
    const before = read("access.json");
    const { code, stderr } = await node("new-service.ts", name);
    expect(code).toBe(1);
    expect(stderr).toContain(why);
    expect(read("access.json")).toBe(before);
  });

  describe("creates a service that", () => {
    let app: { url: string };
    let dev: Command;
    let made: Awaited<ReturnType<typeof node>>;

    let changedFiles: string;

    beforeAll(async () => {
      await git("init", "--quiet");
      await git("add", "--all");
      await git("commit", "--quiet", "--message", "Before");
      made = await node("new-service.ts", "notes");
      changedFiles = (await git("status", "--porcelain")).stdout;
      // an action without a route, to be warned of
      const contract = "services/chat/chat.contract.ts";
      writeFileSync(join(copy, contract), read(contract).replace("closed: true,", ""));
      const port = await freePort();
      app = { url: `http://127.0.0.1:${port}` };
      dev = run(
        "dev",
        { DATA_DIR: join(copy, ".data"), PORT: String(port), BCRYPT_COST: "4" },
        copy,
      );
      await dev.shows(/started successfully/);
    }, 180_000);
    afterAll(() => dev?.stop());

    it("has a contract, handlers, SQL, a table, a test and a container", () => {
      expect(made).toMatchObject({ code: 0, stderr: "" });
      for (const file of [
        "services/notes/notes.contract.ts",
        "services/notes/notes.examples.ts",
        "services/notes/permission-definition.json",
        "services/notes/notes.service.ts",
        "services/notes/notes.repository.ts",
        "services/notes/migrations/0001-notes.ts",
        "test/integration/notes.test.ts",
      ]) {
        expect(made.stdout).toContain(file);
        expect(read(file)).not.toContain("{{");
      }
      expect(read("docker-compose.yml")).toContain("      SERVICES: notes\n");
      expect(read("docker-compose.yml")).toContain(
        "      NOTES_ENCRYPTION_KEY_FILE: /run/secrets/encryption_key\n",
      );
      expect(made.stdout).toContain("services/users/roles/roles.ts");
    });

    it("changes no file of the application but access.json and docker-compose.yml", async () => {
      expect(changedFiles.split("\n").filter(Boolean)).toEqual([
        " M access.json",
        " M docker-compose.yml",
        "?? services/notes/",
        "?? test/integration/notes.test.ts",
      ]);
      expect(await node("docs.ts", "--check")).toMatchObject({ code: 0 });
    });

    it("passes the type check and its own test", async () => {
      const bin = (name: string) => join("node_modules", ".bin", name);
      expect(await execute(bin("tsc"), "--noEmit")).toMatchObject({ code: 0, stdout: "" });
      const test = ["run", "--project", "process", "test/integration/notes.test.ts"];
      const { code, stdout } = await execute(bin("vitest"), ...test);
      expect({ code, stdout }).toMatchObject({ code: 0 });
    }, 300_000);

    it("has a definition of its permissions, in the formatter's form", async () => {
      const definition = "services/notes/permission-definition.json";
      expect(JSON.parse(read(definition))).toMatchObject({
        service: "notes",
        permissions: [
          { name: "guard:jobs" },
          {
            name: "notes:write",
            title: "Notes: Write",
            actions: ["notes.create", "notes.lock", "notes.remove"],
          },
        ],
        anonymous: [],
        anyUser: ["notes.get", "notes.list"],
      });
      const oxfmt = join("node_modules", ".bin", "oxfmt");
      expect((await execute(oxfmt, "--check", definition)).code).toBe(0);
    });

    it("is in access.json", async () => {
      expect((await node("access.ts", "--check")).code).toBe(0);
      expect(read("access.json")).toContain('"route": "POST /api/notes"');
    });

    it("is not created twice", async () => {
      const { code, stderr } = await node("new-service.ts", "notes");
      expect(code).toBe(1);
      expect(stderr).toContain("There is a service 'notes' already");
      expect(existsSync(join(copy, "services", "notes", "notes.service.ts"))).toBe(true);
    });

    it("is reachable, documented and protected, without a line in the gateway", async () => {
      const { body: description } = await request(app, "GET /openapi.json");
      expect(description.paths["/api/notes"].post).toMatchObject({
        operationId: "notes.create",
        "x-permissions": ["notes:write"],
      });
      expect(Object.keys(description.paths["/api/notes/{id}"])).toEqual(["get", "delete"]);
      expect(Object.keys(description.paths["/api/notes/{id}/lock"])).toEqual(["post"]);

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

    it("logs each warning about the contracts once", () => {
      expect(
        dev.output().match(/chat\.mayJoin is restricted to api and has no route/g),
      ).toHaveLength(1);
    });

    it("can be called in the REPL on behalf of a user, and not without one", async () => {
      dev.type("call notes.list");
      await dev.shows(/ServiceTokenRequired/);
      dev.type("as admin notes.create --text Hello");
      await dev.shows(/text: 'Hello'/);
      dev.type("can posts notes.list");
      await dev.shows(/no: notes\.list is restricted to api/);
    });
  });
});
