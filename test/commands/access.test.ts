import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

// It changes what is declared, so it works on a copy.
describe("npm run access", () => {
  let copy: string;

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), "citadel-access-"));
    for (const part of ["package.json", "access.json", "lib", "services", "scripts"])
      cpSync(join(ROOT, part), join(copy, part), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  const access = (...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const script = [join(copy, "scripts", "access.ts"), ...args];
      execFile(process.execPath, script, (error, stdout, stderr) =>
        resolve({ code: error ? (error.code as number) : 0, stdout, stderr }),
      );
    });

  const read = () => readFileSync(join(copy, "access.json"), "utf8");

  it("finds the committed access.json up to date", async () => {
    expect(await access("--check")).toMatchObject({ code: 0, stdout: "" });
  });

  it("fails with --check if the contracts allow more than access.json, and shows the difference", async () => {
    const file = join(copy, "services", "users", "users.contract.ts");
    const contract = readFileSync(file, "utf8");
    writeFileSync(file, contract.replace('restricted: ["auth"]', 'restricted: ["auth", "chat"]'));
    const before = read();

    const { code, stderr } = await access("--check");
    expect(code).toBe(1);
    expect(stderr).toContain("access.json is stale: run 'npm run access' and commit it");
    expect(stderr).toContain('+ "users.identity": { "restricted": ["auth", "chat"]');
    expect(read()).toBe(before);

    const { stdout } = await access();
    expect(stdout).toMatch(/^users\.identity +·/m);
    expect(stdout).not.toContain("\u001b");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
    expect(read()).toContain('"users.identity": { "restricted": ["auth", "chat"]');
    expect((await access("--check")).code).toBe(0);
  });

  it("fails with --check if a permission definition is stale, and writes it without", async () => {
    const file = join(copy, "services", "posts", "permission-definition.json");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace("Posts: Write", "Posts: Read"));
    const { code, stderr } = await access("--check");
    expect(code).toBe(1);
    expect(stderr).toContain("services/posts/permission-definition.json is stale");
    expect((await access()).stdout).toMatch(/^services\/posts\/permission-definition\.json$/m);
    expect(readFileSync(file, "utf8")).toBe(before);
    expect((await access()).stdout).not.toContain("permission-definition.json");
    expect((await access("--check")).code).toBe(0);
  });

  it("refuses undecided and unused permissions, and only warns of them without strict mode", async () => {
    const file = join(copy, "services", "posts", "posts.contract.ts");
    const contract = readFileSync(file, "utf8");
    const spare = 'spare: { title: "Posts: Spare", description: "Nothing." },';
    writeFileSync(
      file,
      contract
        .replace("permissions: {", `permissions: {\n    ${spare}`)
        .replace('      permissions: "posts:write",\n', ""),
    );
    const found = [
      "permission posts:spare: no action needs it and no role has it by name",
      "posts.create needs a user: name a permission, or declare 'permissions: null'",
    ];
    const strict = await access("--check");
    expect(strict.code).toBe(1);
    for (const one of found) expect(strict.stderr).toContain(`  - ${one}`);
    process.env.STRICT_PERMISSIONS = "false";
    const lenient = await access();
    delete process.env.STRICT_PERMISSIONS;
    expect(lenient.code).toBe(0);
    for (const one of found) expect(lenient.stderr).toContain(`warning: ${one}`);
    writeFileSync(file, contract);
    await access();
  });

  it("refuses unknown arguments", async () => {
    const before = read();
    const { code, stderr } = await access("--chekc");
    expect(code).toBe(1);
    expect(stderr).toContain("Usage: npm run access");
    expect(read()).toBe(before);
  });
});
