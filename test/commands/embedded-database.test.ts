import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { PgBoss } from "pg-boss";
import { afterEach, describe, expect, inject, it } from "vitest";
import { backUpEmbedded, openDatabase } from "../../lib/database/database.ts";
import { createDatabase, createTemplate } from "../../lib/database/new-database.ts";

const folders: string[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "citadel embedded "));
  folders.push(folder);
  return folder;
};
const open = (dataDir: string) =>
  openDatabase({ databaseUrl: undefined, dataDir, onError: () => undefined });
const modeOf = (file: string) => statSync(file).mode & 0o777;

/** A folder with a database that all users can open. */
const folderWithDatabase = () => {
  const dataDir = newFolder();
  cpSync(inject("embeddedTemplate"), join(dataDir, "database"), { recursive: true });
  chmodSync(dataDir, 0o755);
  chmodSync(join(dataDir, "database"), 0o755);
  return dataDir;
};

describe("The embedded database", { timeout: 60_000 }, () => {
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  it("opens again only after the last user has closed it", async () => {
    const dataDir = folderWithDatabase();
    const first = await open(dataDir);
    await sql`create table kept (id int)`.execute(first.db);
    const closing = first.close();
    const [second] = await Promise.all([open(dataDir), closing, first.close()]);
    expect((await sql`select * from kept`.execute(second.db)).rows).toEqual([]);
    await second.close();
  });

  it("stays open until the last user closes it, each once", async () => {
    const dataDir = folderWithDatabase();
    const [one, other] = [await open(dataDir), await open(dataDir)];
    await one.close();
    await one.close();
    expect((await sql`select 1 as n`.execute(other.db)).rows).toEqual([{ n: 1 }]);
    await other.close();
  });

  it("cannot be opened a second time in the same process by another path", async () => {
    const dataDir = folderWithDatabase();
    const link = join(newFolder(), "link");
    symlinkSync(dataDir, link);
    const { db, close } = await open(dataDir);
    await expect(open(link)).rejects.toThrow(`in use by the process ${process.pid}`);
    await sql`select 1`.execute(db);
    await close();
    await (await open(link)).close();
  });

  it("can be read by its owner only, also in a folder that was open to others", async () => {
    const dataDir = folderWithDatabase();
    const { close } = await open(dataDir);
    await backUpEmbedded(dataDir);
    await close();
    expect(modeOf(dataDir)).toBe(0o700);
    for (const name of readdirSync(dataDir))
      expect([name, modeOf(join(dataDir, name)) & 0o077]).toEqual([name, 0]);
    const [backup] = readdirSync(join(dataDir, "backups"));
    expect(modeOf(join(dataDir, "backups", backup!))).toBe(0o600);
  });

  it("is created again if the first start was killed, with files for their owner only", async () => {
    const dataDir = newFolder();
    mkdirSync(join(dataDir, "database"));
    writeFileSync(join(dataDir, "database", "PG_VERSION"), "");
    writeFileSync(join(dataDir, "database.incomplete"), "");
    const { db, close } = await open(dataDir);
    await sql`select 1`.execute(db);
    await close();
    expect(existsSync(join(dataDir, "database.incomplete"))).toBe(false);
    expect(modeOf(join(dataDir, "database", "PG_VERSION"))).toBe(0o600);
  });

  it(
    "is a copy of the template, or created where there is none, and only its owner can read it",
    { timeout: 120_000 },
    async () => {
      const template = join(newFolder(), "template");
      await createTemplate(template);
      await createTemplate(template);
      for (const from of [template, join(newFolder(), "missing")]) {
        const dataDir = newFolder();
        const folder = join(dataDir, "database");
        mkdirSync(folder);
        await createDatabase(folder, from);
        for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
          expect([name, modeOf(join(folder, name)) & 0o077]).toEqual([name, 0]);
        const { db, close } = await open(dataDir);
        const { rows } = await sql`select current_database() as name`.execute(db);
        expect(rows).toEqual([{ name: "postgres" }]);
        await close();
      }
    },
  );

  it(
    "has the queues of the services if it is a copy of the template",
    { timeout: 120_000 },
    async () => {
      const template = join(newFolder(), "template");
      await createTemplate(template);
      const dataDir = newFolder();
      mkdirSync(join(dataDir, "database"));
      await createDatabase(join(dataDir, "database"), template);
      const { queueDb, close } = await open(dataDir);
      const boss = new PgBoss({ db: queueDb, schema: "users", backend: "pglite", migrate: false });
      // it throws if its tables are missing or of another version
      await boss.start();
      const names = (await boss.getQueues()).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(["jobs/sendLink", "ordered-events/chat"]));
      await boss.stop();
      await close();
    },
  );

  it("says why it could not be created", async () => {
    const file = join(newFolder(), "file");
    writeFileSync(file, "");
    await expect(createDatabase(file, join(file, "missing"))).rejects.toThrow("ErrnoError 54");
  });

  it("takes less than 300 MB of memory, also while V8 compiles what runs often", () => {
    const program = `
      import { setTimeout } from "node:timers/promises";
      import { sql } from "kysely";
      import { openDatabase } from ${JSON.stringify(new URL("../../lib/database/database.ts", import.meta.url).href)};
      const { db, close } = await openDatabase({ databaseUrl: undefined, dataDir: ${JSON.stringify(folderWithDatabase())}, onError: console.error });
      for (let n = 0; n < 2_000; n += 1) await sql\`select \${n}::int as n\`.execute(db);
      await setTimeout(1_000);
      await close();
      console.log(process.resourceUsage().maxRSS / 1024);
    `;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: process.cwd(),
      encoding: "utf8",
    });
    expect(Number(output)).toBeLessThan(300);
  });

  it("keeps two backups, and after damage names the newest one and the command that restores it", async () => {
    const dataDir = folderWithDatabase();
    for (const name of ["before", "last", "later"]) {
      const { db, close } = await open(dataDir);
      await sql`create table ${sql.table(name)} (id int)`.execute(db);
      if (name !== "later") await backUpEmbedded(dataDir);
      await close();
    }
    writeFileSync(join(dataDir, "backups", "2020-01-01T00-00-00-000Z.tar.gz"), "an old one");
    const again = await open(dataDir);
    await sql`drop table later`.execute(again.db);
    await backUpEmbedded(dataDir);
    await again.close();
    const backups = readdirSync(join(dataDir, "backups")).toSorted();
    expect(backups).toHaveLength(2);

    writeFileSync(join(dataDir, "database", "global", "pg_control"), "damaged");
    const { message } = (await open(dataDir).catch((error: unknown) => error as Error)) as Error;
    expect(message).toContain(`The embedded database in ${dataDir} cannot be opened`);
    expect(message).toContain(join(dataDir, "backups", backups[1]!));
    // a database that cannot be opened is not backed up
    expect(readdirSync(join(dataDir, "backups")).toSorted()).toEqual(backups);
    const [, command] = /^ {2}(mv .*)$/m.exec(message) ?? [];
    execFileSync("sh", ["-c", command!]);
    const { db, close } = await open(dataDir);
    await sql`select from before, last`.execute(db);
    await close();
    expect(readdirSync(dataDir).some((name) => name.startsWith("database.damaged-"))).toBe(true);
  });

  it("survives a process that is killed while it writes", async () => {
    const dataDir = folderWithDatabase();
    const program = `
      import { sql } from "kysely";
      import { openDatabase } from ${JSON.stringify(new URL("../../lib/database/database.ts", import.meta.url).href)};
      const { db } = await openDatabase({ databaseUrl: undefined, dataDir: ${JSON.stringify(dataDir)}, onError: console.error });
      await sql\`create table rows (id int)\`.execute(db);
      for (let id = 1; ; id += 1) {
        await sql\`insert into rows values (\${id})\`.execute(db);
        process.stdout.write(id + "\\n");
      }
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      cwd: process.cwd(),
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += String(chunk);
      if (text.includes("\n50\n")) child.kill("SIGKILL");
    });
    await once(child, "close");
    const acknowledged = text.split("\n").filter(Boolean).length;
    const { db, close } = await open(dataDir);
    const { rows } = await sql<{ n: number }>`select count(*)::int n from rows`.execute(db);
    expect(rows[0]!.n).toBeGreaterThanOrEqual(acknowledged - 1);
    await close();
  });
});
