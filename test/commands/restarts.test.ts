import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Command, run, runOnTerminal } from "../helpers/command.ts";
import { copyApplication } from "../helpers/copy.ts";
import { register, request } from "../helpers/http.ts";
import { freePort } from "../helpers/servers.ts";

const STARTED = /started successfully/;

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

// It changes code, so it works on a copy.
describe("npm run dev after a change of the code", { timeout: 60_000 }, () => {
  const { folder, remove } = copyApplication();
  const repository = join(folder, "services", "posts", "posts.repository.ts");
  const roles = join(folder, "services", "users", "roles", "roles.ts");
  let dev: Command;
  let app: { url: string };
  let token: string;
  const written: string[] = [];

  /** The process ids of all nodes that have written to the log until now. */
  const nodes = () => [
    ...new Set([...dev.output().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid))),
  ];
  const running = () => nodes().filter(isRunning);
  const read = (file: string) => readFileSync(file, "utf8");
  /** Saves as most editors do: the file is replaced by another one. */
  const saveByRename = (file: string, content: string) => {
    writeFileSync(`${file}.draft`, content);
    renameSync(`${file}.draft`, file);
  };
  /** Changes the code, and waits until the node that follows has started. */
  const restart = async (change: () => void) => {
    const from = dev.output().length;
    change();
    return dev.shows(STARTED, from);
  };
  const post = async () => {
    const title = `Post ${written.length}`;
    const { status } = await request(app, "POST /api/posts", {
      token,
      body: { title, body: "Text" },
    });
    expect(status).toBe(201);
    written.unshift(title);
  };
  const titles = async () =>
    (await request(app, "GET /api/posts?limit=100")).body.items.map((item: any) => item.title);

  beforeAll(async () => {
    const port = await freePort();
    app = { url: `http://127.0.0.1:${port}` };
    dev = run(
      "dev",
      { DATA_DIR: join(folder, ".data"), PORT: String(port), BCRYPT_COST: "4" },
      folder,
    );
    await dev.shows(STARTED);
    ({ token } = await register(app as never, "alice"));
  });
  afterAll(async () => {
    await dev?.stop();
    remove();
  });

  it("keeps stored data when roles, a service and a migration are saved together", async () => {
    await post();
    const shown = await restart(() => {
      writeFileSync(
        join(folder, "services", "posts", "migrations", "0099-more.ts"),
        `import { type Kysely, sql } from "kysely";
        export const up = (db: Kysely<never>) => sql\`create table posts.more (id int)\`.execute(db);`,
      );
      writeFileSync(roles, read(roles));
      saveByRename(repository, read(repository));
    });
    expect(shown).toContain("Applied migrations: 0099-more");
    expect(shown.match(/changed\. Restarting/g)).toHaveLength(1);
    // the one has ended before the other began
    expect(shown.indexOf("Good bye")).toBeLessThan(shown.indexOf("is starting"));
    expect(nodes()).toHaveLength(2);
    expect(running()).toHaveLength(1);
    await post();
    expect(await titles()).toEqual(written);
  });

  it("serves the new code also after a save by rename directly after a restart", async () => {
    const contract = join(folder, "services", "posts", "posts.contract.ts");
    await restart(() =>
      saveByRename(contract, read(contract).replace("GET /api/posts/:id", "GET /api/articles/:id")),
    );
    const { body } = await request(app, "GET /openapi.json");
    expect(Object.keys(body.paths)).toContain("/api/articles/{id}");
    expect(await titles()).toEqual(written);
  });

  it("writes the permission definition of a changed contract, and restarts once", async () => {
    const contract = join(folder, "services", "posts", "posts.contract.ts");
    const definition = join(folder, "services", "posts", "permission-definition.json");
    const before = JSON.parse(read(definition));
    const shown = await restart(() =>
      writeFileSync(
        contract,
        read(contract).replace('"Posts: Write"', '"Posts: Write and change"'),
      ),
    );
    expect(shown).toContain("services/posts/permission-definition.json has changed. Commit it.");
    expect(shown.match(/permission-definition\.json has changed/g)).toHaveLength(1);
    const from = dev.output().length;
    // written before the node has started: a second restart would have begun by then
    dev.type("can posts users.create");
    await dev.shows(/is restricted to api/, from);
    expect(dev.output().slice(from)).not.toContain("Restarting");
    expect(shown.match(/Restarting/g)).toHaveLength(1);
    const after = JSON.parse(read(definition));
    expect(after.permissions.map(({ title }: any) => title)).toEqual(
      before.permissions.map(({ title }: any) =>
        title === "Posts: Write" ? "Posts: Write and change" : title,
      ),
    );
  });

  it("has one REPL, which runs each command once", async () => {
    const from = dev.output().length;
    dev.type("can posts users.create");
    await dev.shows(/is restricted to api/, from);
    // the response of a second REPL would come before this one
    dev.type("can alice GET /nowhere");
    const shown = await dev.shows(/no action, route or subscription/, from);
    expect(shown.match(/users\.create is restricted to api/g)).toHaveLength(1);
  });

  it("shows an error in the code, and starts again once it is corrected", async () => {
    const right = read(repository);
    const from = dev.output().length;
    saveByRename(repository, `${right}\nconst = ;\n`);
    await dev.shows(/The node ended with 1\. It starts again when a file is saved/, from);
    expect(running()).toEqual([]);
    await restart(() => saveByRename(repository, right));
    expect(await titles()).toEqual(written);
  });

  it("stops a node during its start, and starts another one", async () => {
    const from = dev.output().length;
    writeFileSync(roles, read(roles));
    await dev.shows(/is starting/, from);
    writeFileSync(roles, read(roles));
    const shown = await dev.shows(/Restarting[^]*Restarting[^]*started successfully/, from);
    expect(shown.match(/Restarting/g)).toHaveLength(2);
    expect(running()).toHaveLength(1);
    expect(await titles()).toEqual(written);
  });

  it("stops its node on SIGTERM and closes the database", async () => {
    const from = dev.output().length;
    expect(await dev.stop()).toBe(0);
    expect(dev.output().slice(from)).toContain("Good bye");
    expect(running()).toEqual([]);
  });
});

describe.skipIf(process.platform !== "linux")(
  "npm run dev on a terminal",
  { timeout: 60_000 },
  () => {
    it("keeps the REPL and its history over a restart, and closes the database on Ctrl-C", async () => {
      const { folder, remove } = copyApplication();
      const env = { DATA_DIR: join(folder, ".data"), PORT: "0", BCRYPT_COST: "4", TERM: "xterm" };
      const dev = runOnTerminal("dev", env, folder);
      try {
        await dev.shows(/citadel \$ /);
        let from = dev.output().length;
        dev.press("can posts users.create\r");
        await dev.shows(/no: users\.create is restricted/, from);
        from = dev.output().length;
        const roles = join(folder, "services", "users", "roles", "roles.ts");
        writeFileSync(roles, readFileSync(roles));
        await dev.shows(/Restarting[^]*citadel \$ /, from);
        from = dev.output().length;
        // the last command again, from the history
        dev.press("\x1b[A\r");
        const shown = await dev.shows(/no: users\.create is restricted/, from);
        expect(shown.match(/is restricted/g)).toHaveLength(1);
        from = dev.output().length;
        dev.press("\x03");
        await dev.shows(/press Ctrl\+C again/, from);
        dev.press("\x03");
        expect(await dev.exitCode()).toBe(0);
        expect(dev.output().slice(from)).toContain("Good bye");
      } finally {
        await dev.stop();
        remove();
      }
    });
  },
);
