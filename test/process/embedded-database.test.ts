import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../lib/database/database.ts";

describe("the embedded database", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "citadel-embedded-"));
  const open = () => openDatabase({ databaseUrl: undefined, dataDir, onError: () => undefined });

  beforeAll(() => cp(inject("embeddedTemplate"), join(dataDir, "database"), { recursive: true }));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it("is opened again only when it is closed: what was written before is there", async () => {
    const first = await open();
    await sql`create table public.kept (n integer)`.execute(first.db);
    await sql`insert into public.kept select generate_series(1, 1000)`.execute(first.db);
    const [, second] = await Promise.all([first.close(), open()]);
    // the lock is the second's, and nobody has taken it away
    expect(existsSync(join(dataDir, "database.pid"))).toBe(true);
    const { rows } = await sql`select count(*)::int as n from public.kept`.execute(second.db);
    expect(rows).toEqual([{ n: 1000 }]);
    await second.close();
  });

  it("stays open until the last user closes it, each once", async () => {
    const [one, other] = [await open(), await open()];
    await sql`select 1`.execute(other.db);
    await one.close();
    await one.close();
    const { rows } = await sql`select 1 as n`.execute(other.db);
    expect(rows).toEqual([{ n: 1 }]);
    await other.close();
  });
});
