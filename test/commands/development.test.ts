import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Command, run } from "../helpers/command.ts";
import { login, PASSWORD, request } from "../helpers/http.ts";
import { freePort } from "../helpers/servers.ts";

describe("npm run dev", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-dev-"));
  let dev: Command;
  let app: { url: string };

  /** What the REPL prints after a line. */
  const ask = async (line: string, expected: RegExp) => {
    const from = dev.output().length;
    dev.type(line);
    return dev.shows(expected, from);
  };

  beforeAll(async () => {
    // open to other users before the first start
    chmodSync(dataDir, 0o755);
    const port = await freePort();
    app = { url: `http://127.0.0.1:${port}` };
    dev = run("dev", { DATA_DIR: dataDir, PORT: String(port), BCRYPT_COST: "4" });
    await dev.shows(/started successfully/);
    await request(app, "POST /api/auth/register", {
      body: { username: "alice", email: "alice@example.com", password: PASSWORD },
    });
  });
  afterAll(async () => {
    await dev?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("generates the first administrator's password and shows it once", async () => {
    const [, password] = /The first administrator: admin \/ (\S+)/.exec(dev.output()) ?? [];
    const admin = await login(app as never, "admin", password!);
    const made = await request(app, "POST /api/users", {
      token: admin.token,
      body: { username: "bob", email: "bob@example.com", password: PASSWORD },
    });
    expect(made.status).toBe(201);
  });

  it("lets only the owner read its secrets", () => {
    const secrets = join(dataDir, "secrets");
    for (const service of readdirSync(secrets))
      for (const name of readdirSync(join(secrets, service)))
        expect(statSync(join(secrets, service, name)).mode & 0o777).toBe(0o600);
  });

  it("backs up the database after the start, and lets no other user read DATA_DIR", async () => {
    const backups = join(dataDir, "backups");
    await expect
      .poll(() => existsSync(backups) && readdirSync(backups), { timeout: 30_000 })
      .toEqual([expect.stringMatching(/\.tar\.gz$/)]);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    // it is npm's home folder, too, in these tests
    for (const name of readdirSync(dataDir).filter((one) => !one.startsWith(".")))
      expect([name, statSync(join(dataDir, name)).mode & 0o077]).toEqual([name, 0]);
  });

  it.each([
    ["call guard.generate --service myService", /'ey[\w-]+\.[\w-]+\.[\w-]+'/],
    ["call auth.verifyToken --token abc", /The access token is not valid/],
    ["call auth.generateToken --userId 1", /userId/],
    ["call users.create", /ServiceTokenRequired/],
    ["call users.list", /username: 'alice'/],
    ["call users.posts", /ServiceTokenRequired/],
    ["call posts.createUser", /ServiceNotAuthorized/],
    ["call posts.userPosts", /items: \[/],
    ["can posts users.create", /no: users\.create is restricted to api/],
    ["can posts users.posts", /yes: users\.posts is restricted to api, posts/],
    ["can alice POST /api/posts", /yes: posts\.create needs posts:write, which alice holds/],
    ["can alice POST /api/users", /no: users\.create needs users:write, which alice lacks/],
    ["can moderator DELETE /api/users/1", /no: users\.remove needs users:write/],
    ["can anonymous GET /api/posts", /yes: posts\.list is restricted to api, users/],
    ["can nobody users.list", /There is no service, role or user 'nobody'/],
    ["can alice GET /nowhere", /There is no action, route or subscription 'GET \/nowhere'/],
    ["login alice", /Signed in as alice/],
    ["login nobody", /NotFound: There is no such user/],
    ["as alice posts.create --title Hi --body There", /title: 'Hi'/],
    ["as alice users.create --username x", /UserNotAuthorized/],
    ["as alice posts.create --titel Hi --body There", /titel: This field is unknown/],
    ["call users.list --limit 0", /field: 'limit'/],
    ["as alice auth.logout", /undefined|null/],
    ["as alice users.profile", /username: 'alice'/],
    ["call posts.userPosts", /title: 'Hi'/],
  ])("answers '%s' in the REPL", async (line, expected) => {
    await ask(line, expected);
  });

  it("refuses the embedded database to a second process, and says what to do", async () => {
    const second = run("start", { DATA_DIR: dataDir, PORT: "0", LOG_LEVEL: "fatal" });
    await second.shows(/The embedded database is in use by the process \d+/);
    expect(second.output()).toMatch(/DATABASE_URL/);
    expect(await second.exitCode()).toBe(1);
    expect((await request(app, "GET /api/posts")).status).toBe(200);
  });
});

describe("npm start in production", () => {
  it("names all missing secrets in one message, and does not start", async () => {
    const production = run("start", { NODE_ENV: "production", PORT: "0", SERVICES: "guard,users" });
    expect(await production.exitCode()).toBe(1);
    for (const name of ["GUARD_AUTH_TOKEN", "GUARD_SIGNING_KEY", "USERS_AUTH_TOKEN"])
      expect(production.output()).toContain(`${name} (or ${name}_FILE) is missing`);
  });
});
