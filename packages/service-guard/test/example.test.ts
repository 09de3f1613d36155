import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { env, pack, PACKAGE, run } from "./helpers/packed.ts";

const EXAMPLE = join(PACKAGE, "example");
const RUNNER = ["--env-file=.env", "node_modules/moleculer/bin/moleculer-runner.js", "--repl"];

/** The same project without the guard. */
const BARE_CONFIGURATION = `
module.exports = {
  transporter: process.env.NATS_URL,
};
`;

const linesOf = (text: string) => text.split("\n").filter((line) => line.trim() !== "").length;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** A process of the example, with its REPL. */
class Node {
  readonly #child: ChildProcess;
  #output = "";

  constructor(cwd: string, variables: Record<string, string>) {
    this.#child = spawn(process.execPath, RUNNER, {
      cwd,
      env: { ...env, HOME: cwd, ...variables },
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (text: Buffer) => {
        this.#output += stripVTControlCharacters(text.toString());
      });
  }

  /** Waits until its output since `from` matches, and returns it. */
  async shows(pattern: RegExp, from = 0): Promise<string> {
    await vi.waitFor(() => expect(this.#output.slice(from)).toMatch(pattern), { timeout: 20_000 });
    return this.#output.slice(from);
  }

  /** Types a command, and waits for its output. */
  type(command: string, pattern: RegExp): Promise<string> {
    const from = this.#output.length;
    this.#child.stdin!.write(`${command}\n`);
    return this.shows(pattern, from);
  }

  /** Calls an action in the REPL. */
  call(action: string): Promise<string> {
    return this.type(`call ${action}`, />> ERROR:[\s\S]*Data:|>> Response:\s[\s\S]*mol \$/);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill();
    await ended;
  }
}

describe("The example", () => {
  // outside of the repository, whose dependencies Node would find
  const project = mkdtempSync(join(tmpdir(), "guard-example-"));

  beforeAll(async () => {
    cpSync(EXAMPLE, project, {
      recursive: true,
      filter: (path) => basename(path) !== "node_modules",
    });
    const packed = await pack();
    const quick = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
    await run(project, "npm", "install", ...quick, packed.tarball);
    packed.remove();
    await run(project, "npm", "run", "setup");
  }, 180_000);
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it("has a configuration that is at most five lines longer than without the guard", () => {
    const guarded = readFileSync(join(EXAMPLE, "moleculer.config.js"), "utf8");
    expect(linesOf(guarded) - linesOf(BARE_CONFIGURATION)).toBeLessThanOrEqual(5);
  });

  it("makes its secrets readable by their owner only, and keeps them in a second set-up", async () => {
    const file = join(project, ".env");
    const before = readFileSync(file, "utf8");
    expect(before).toMatch(/^GUARD_SIGNING_KEY="-----BEGIN PRIVATE KEY-----\\n/m);
    await run(project, "npx", "moleculer-service-guard", "init", "users", "mail");
    const after = readFileSync(file, "utf8");
    expect(after.startsWith(before)).toBe(true);
    expect(after.slice(before.length)).toMatch(/^MAIL_AUTH_TOKEN=\S+\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  describe.each([
    { topology: "in one process", processes: [["guard", "users", "posts", "api"]] },
    {
      topology: "in a process for each service, over NATS",
      processes: [["guard"], ["users"], ["posts"], ["api"]],
    },
  ])("$topology", ({ processes }) => {
    const isDistributed = processes.length > 1;
    const nodes = new Map<string, Node>();
    const namespace = randomUUID();
    let port = 0;

    beforeAll(async () => {
      const natsUrl = inject("natsUrl");
      if (isDistributed && !natsUrl) return;
      port = await freePort();
      for (const services of processes) {
        const node = new Node(project, {
          PORT: String(port),
          NAMESPACE: namespace,
          SERVICEDIR: "services",
          ...(isDistributed ? { NATS_URL: natsUrl!, SERVICES: services.join() } : {}),
        });
        for (const service of services) nodes.set(service, node);
      }
      const started = [...new Set(nodes.values())];
      await Promise.all(started.map((node) => node.shows(/started successfully/)));
      // the other nodes are discovered a little later
      await vi.waitFor(
        async () => {
          const response = await fetch(`http://127.0.0.1:${port}/api/users`);
          expect(response.status).toBe(200);
          expect(await nodes.get("posts")!.call("posts.userPosts")).toContain("First post");
        },
        { timeout: 30_000 },
      );
    }, 90_000);
    afterAll(() => Promise.all([...new Set(nodes.values())].map((node) => node.stop())));

    /** The REPL of the process that runs a service. */
    const replOf = (service: string, skip: (note?: string) => void): Node => {
      const node = nodes.get(service);
      if (!node) skip("There is no NATS server.");
      return node!;
    };

    it("refuses users.create to the REPL, and runs no handler", async ({ skip }) => {
      const repl = replOf("posts", skip);
      expect(await repl.call("users.create --username eve --email eve@example.com")).toContain(
        "Only certain services may call this",
      );
      expect(await repl.call("users.list")).not.toContain("eve");
    });

    it("lets every caller call users.list", async ({ skip }) => {
      expect(await replOf("guard", skip).call("users.list")).toContain("username: 'alice'");
    });

    it("refuses users.posts to the REPL", async ({ skip }) => {
      expect(await replOf("api", skip).call("users.posts")).toContain(
        "Only certain services may call this",
      );
    });

    it("refuses posts.createUser its call of users.create", async ({ skip }) => {
      const repl = replOf("posts", skip);
      expect(await repl.call("posts.createUser")).toContain("The calling service may not call");
      await replOf("users", skip).shows(/ServiceNotAuthorized[\s\S]*caller: 'posts'/);
      expect(await repl.call("users.list")).not.toContain("carol");
    });

    it("lets posts.userPosts call users.posts", async ({ skip }) => {
      expect(await replOf("api", skip).call("posts.userPosts")).toContain("title: 'First post'");
    });

    it("lets api create a user for POST /api/users", async ({ skip }) => {
      const repl = replOf("guard", skip);
      const response = await fetch(`http://127.0.0.1:${port}/api/users`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: "dave", email: "dave@example.com" }),
      });
      expect(response.status).toBe(200);
      expect(await repl.call("users.list")).toContain("username: 'dave'");
    });

    it("generates a credential only in the REPL of the guard's process", async ({ skip }) => {
      const credential = /'eyJ[\w-]+\.[\w-]+\.[\w-]+'/;
      const generate = "guard.generate --service mail";
      expect(await replOf("guard", skip).call(generate)).toMatch(credential);
      if (isDistributed) expect(await replOf("users", skip).call(generate)).not.toMatch(credential);
    });

    it("lists the nodes and their proved services", async ({ skip }) => {
      const repl = replOf("guard", skip);
      const shown = await repl.type("nodes", /frames opened[\s\S]*└/);
      for (const service of ["guard", "users", "posts", "api"]) expect(shown).toContain(service);
    });
  });
});
