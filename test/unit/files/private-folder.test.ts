import { chmodSync, mkdirSync, mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rewrite, writeOnce } from "../../../lib/deployment/secrets.ts";
import { makePrivate } from "../../../lib/files/private-folder.ts";

const modeOf = (file: string) => statSync(file).mode & 0o777;

describe("A private folder", () => {
  const newFolder = () => mkdtempSync(join(tmpdir(), "citadel-private-"));

  it("is created for its owner only, with its parents", () => {
    const root = newFolder();
    makePrivate(join(root, "a", "b"));
    expect([modeOf(join(root, "a")), modeOf(join(root, "a", "b"))]).toEqual([0o700, 0o700]);
  });

  it("loses the permissions of other users", () => {
    const folder = newFolder();
    chmodSync(folder, 0o777);
    makePrivate(folder);
    expect(modeOf(folder)).toBe(0o700);
  });

  it.each([
    ["a secret", (file: string) => writeOnce(file, () => "secret")],
    ["a mail", (file: string) => rewrite(file, "mail")],
  ])("is what %s is written into, also if the folder existed", (_what, write) => {
    const folder = join(newFolder(), "made before");
    mkdirSync(folder, { mode: 0o755 });
    write(join(folder, "file"));
    expect([modeOf(folder), modeOf(join(folder, "file"))]).toEqual([0o700, 0o600]);
  });

  it("is refused if another user owns it and it stays open, and nothing is written", () => {
    const folder = newFolder();
    chmodSync(folder, 0o777);
    const isRoot = process.getuid?.() === 0;
    // /tmp belongs to root
    const foreign = isRoot ? folder : "/tmp";
    if (isRoot) process.seteuid?.(65_534);
    try {
      expect(() => writeOnce(join(foreign, "citadel-secret"), () => "secret")).toThrow(
        /Other users can open .* Set DATA_DIR to a folder of your own/,
      );
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    expect(() => statSync(join(foreign, "citadel-secret"))).toThrow("ENOENT");
  });
});
