import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const CHECK = join(ROOT, "scripts", "node-version.cjs");
const { engines, scripts } = JSON.parse(read("package.json")) as {
  engines: { node: string };
  scripts: Record<string, string>;
};

/** Loads the check in a process that says it is this version of Node. */
const checkIn = (version: string) =>
  spawnSync(
    process.execPath,
    [
      "-e",
      `Object.defineProperty(process, "versions", { value: { node: "${version}" } });
       require(${JSON.stringify(CHECK)});
       console.log("goes on");`,
    ],
    { encoding: "utf8" },
  );

describe("the version of Node", () => {
  it.each(["18.20.8", "20.20.2", "22.18.0"])("%s is refused, in one line", (version) => {
    const { status, stdout, stderr } = checkIn(version);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      new RegExp(`^Node.js 24 or newer is needed, and this is ${version}: install it.*\n$`),
    );
  });

  it.each(["24.0.0", "26.1.0"])("%s is accepted", (version) => {
    expect(checkIn(version)).toMatchObject({ status: 0, stdout: "goes on\n", stderr: "" });
  });

  it("is the same in package.json, .nvmrc, the Dockerfile, the README and the check", () => {
    expect(engines.node).toBe(">=24");
    expect(read(".nvmrc").trim()).toBe("24");
    expect(read("Dockerfile")).toContain("FROM node:24-");
    expect(read("README.md")).toContain("Node 24");
    expect(read("scripts/node-version.cjs")).toContain("var MINIMUM = 24;");
  });

  it("is checked before any TypeScript is loaded, by each command that a deployment uses", () => {
    const commands = ["dev", "start", "access", "new:service", "credentials", "chat"];
    for (const name of commands)
      expect(scripts[name]).toMatch(
        /^(NODE_COMPILE_CACHE=\S+ )?(exec )?node --require \.\/scripts\/node-version\.cjs /,
      );
    expect(read("Dockerfile")).toContain('CMD ["node", "--require", "./scripts/node-version.cjs"');
  });

  it("is checked by the oldest syntax there is", () => {
    expect(read("scripts/node-version.cjs")).not.toMatch(/=>|`|\b(const|let|class|import)\b|\?\./);
  });
});
