import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";
import type { QueueDatabase } from "../../lib/database/queue/queue-database.ts";
import { DATABASE, databaseRoles } from "../../lib/deployment/database-roles.ts";
import { ServiceQueue } from "../../lib/queue/service-queue.ts";
import { isMissing } from "../helpers/app.ts";
import { runOn, urlOf } from "../helpers/templates.ts";

/** The script's statements for these roles, in another database. Those for the whole server are left out. */
const grantsIn = (database: string, roles: Parameters<typeof databaseRoles>[0]) =>
  databaseRoles(roles)
    .split("\n")
    .filter((line) => /^(ALTER|GRANT|CREATE) /.test(line))
    .join("\n")
    .replaceAll(`DATABASE ${DATABASE} `, `DATABASE ${database} `);

describe.skipIf(isMissing)("A service's database role", () => {
  const suffix = randomBytes(6).toString("hex");
  const database = `citadel_roles_${suffix}`;
  const roles = ["owner", "stranger"].map((name) => ({
    name: `${name}_${suffix}`,
    password: suffix,
  }));
  const [owner, stranger] = roles.map(({ name }) => name);
  let server: string;
  const closing: (() => Promise<void>)[] = [];

  const openAs = async (role: string): Promise<QueueDatabase> => {
    const url = new URL(urlOf(server, database));
    Object.assign(url, { username: role, password: suffix });
    const { queueDb, close } = await openDatabase({
      databaseUrl: url.toString(),
      dataDir: "",
      onError: () => undefined,
    });
    closing.push(close);
    return queueDb;
  };

  beforeAll(async () => {
    server = inject("databaseUrl")!;
    await runOn(server, `create database ${database}`);
    for (const { name } of roles) await runOn(server, `create role "${name}"`);
    await runOn(urlOf(server, database), grantsIn(database, roles));
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
    await runOn(server, `drop database if exists ${database} with (force)`);
    for (const { name } of roles) await runOn(server, `drop role if exists "${name}"`);
  });

  it("creates the queue in its own schema, which no other service's role can use", async () => {
    const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const queue = new ServiceQueue({
      schema: owner!,
      isEmbedded: false,
      queues: new Map([["jobs/pack", { name: "jobs/pack" }]]),
      schedules: new Map(),
      logger: logger as never,
    });
    closing.push(() => queue.close());
    await queue.start(await openAs(owner!));
    await queue.boss.insert("jobs/pack", [{ data: { params: {} } }]);
    expect(await queue.table.states()).toMatchObject([{ name: "jobs/pack", waiting: 1 }]);

    const other = await openAs(stranger!);
    for (const statement of [
      "select data from $.job",
      "insert into $.job (name) values ('jobs/pack')",
      "delete from $.job",
      "select $.job_now()",
    ])
      await expect(
        other.executeSql(statement.replace("$", `"${owner}"`), []),
      ).rejects.toMatchObject({ code: "42501" });
    expect(await queue.table.states()).toMatchObject([{ waiting: 1 }]);
  });
});
