import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDocument, ROOT } from "../helpers/markdown.ts";

// docs/from-other-libraries.md: each name of this application in its tables occurs in the test that the row links.

const DOCUMENT = "docs/from-other-libraries.md";

const rows = readDocument(DOCUMENT)
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| there |"))
  .map((line) => line.split(" | ").map((cell) => cell.replaceAll(/^\| | \|$/g, "")))
  .map(([there = "", here = "", tests = ""]) => ({ there, here, tests }));

/** What must occur in a test: `auth: "context"` as a whole, otherwise the name at the beginning. */
const needleOf = (code: string): string =>
  /^\w+: ("[^"]*"|true|null)$/.test(code) ? code : (/^[\w.$-]+/.exec(code)?.[0] ?? code);

describe("The names for readers of other libraries", () => {
  it("are in four tables", () => {
    expect(rows.length).toBeGreaterThan(50);
  });

  it.each(rows)("for $there occur in its tests", ({ here, tests }) => {
    const files = [...tests.matchAll(/\]\(([^)]+)\)/g)].map(([, path = ""]) =>
      join(ROOT, dirname(DOCUMENT), path),
    );
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
    const texts = files.map((file) => readFileSync(file, "utf8"));
    const names = [...here.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => needleOf(code));
    expect(names.filter((name) => !texts.some((text) => text.includes(name)))).toEqual([]);
  });
});
