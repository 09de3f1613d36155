import { existsSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { anchorsOf, linksOf, markdownFiles, readDocument, ROOT } from "../helpers/markdown.ts";

/** Why this relative link leads nowhere, if it does. */
function problemOf(document: string, target: string): string | undefined {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? document : normalize(join(dirname(document), decodeURI(path)));
  if (!existsSync(join(ROOT, file))) return `${file} does not exist`;
  if (anchor === undefined) return undefined;
  if (statSync(join(ROOT, file)).isDirectory() || !file.endsWith(".md"))
    return /^L\d+(-L\d+)?$/.test(anchor) ? undefined : `${file} has no headings`;
  return anchorsOf(readDocument(file)).has(anchor) ? undefined : `${file} has no #${anchor}`;
}

describe("Every relative link", () => {
  it.each(markdownFiles())("in %s leads to a file, and its anchor to a heading", (document) => {
    const problems = linksOf(readDocument(document))
      .filter(({ target }) => !/^[a-z]+:/.test(target))
      .map(({ target, line }) => ({ line, target, problem: problemOf(document, target) }))
      .filter(({ problem }) => problem !== undefined);
    expect(problems).toEqual([]);
  });

  it("is found outside of code, and its anchor is made as GitHub makes it", () => {
    const text =
      "# One `two`, three!\n\n[a](b.md#c) `[d](e)`\n\n```md\n# Four\n[f](g)\n```\n# One two three\n";
    expect(linksOf(text)).toEqual([{ target: "b.md#c", line: 3 }]);
    expect([...anchorsOf(text)]).toEqual(["one-two-three", "one-two-three-1"]);
  });
});
