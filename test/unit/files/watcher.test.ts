import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { CodeWatcher } from "../../../scripts/development/watcher.ts";

describe("The watcher of npm run dev", () => {
  const root = mkdtempSync(join(tmpdir(), "citadel-watch-"));
  const service = join(root, "services", "notes");
  mkdirSync(join(service, "migrations"), { recursive: true });
  writeFileSync(join(service, "notes.service.ts"), "");
  const watcher = new CodeWatcher({ root, folders: ["services"], files: [".env"] });
  afterEach(() => watcher.close());

  it("sees every save by rename, also one that directly follows the last", async () => {
    for (let round = 0; round < 5; round += 1) {
      const next = watcher.next();
      writeFileSync(join(service, ".draft"), String(round));
      renameSync(join(service, ".draft"), join(service, "notes.service.ts"));
      expect(await next).toEqual(["services/notes/notes.service.ts"]);
    }
  });

  it("names all files that are saved together, once", async () => {
    const next = watcher.next();
    writeFileSync(join(service, "notes.service.ts"), "1");
    writeFileSync(join(service, "migrations", "0002-more.ts"), "1");
    writeFileSync(join(root, ".env"), "1");
    expect((await next).toSorted()).toEqual([
      ".env",
      "services/notes/migrations/0002-more.ts",
      "services/notes/notes.service.ts",
    ]);
  });

  it("sees a new folder, and then the files in it", async () => {
    let next = watcher.next();
    mkdirSync(join(root, "services", "tags"));
    expect(await next).toEqual(["services/tags"]);
    next = watcher.next();
    writeFileSync(join(root, "services", "tags", "tags.service.ts"), "");
    expect(await next).toEqual(["services/tags/tags.service.ts"]);
    next = watcher.next();
    rmSync(join(root, "services", "tags"), { recursive: true });
    expect(await next).toContain("services/tags");
  });

  it("ignores drafts of editors and files that no node loads", async () => {
    const next = watcher.next();
    for (const name of [".notes.ts.swp", ".#notes.ts", "notes.ts~", "#notes.ts#", "README.md"])
      writeFileSync(join(service, name), "");
    writeFileSync(join(root, "package.json"), "");
    writeFileSync(join(service, "notes.repository.ts"), "");
    expect(await next).toEqual(["services/notes/notes.repository.ts"]);
  });
});
