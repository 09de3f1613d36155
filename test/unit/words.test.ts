import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findWords } from "../../scripts/words.ts";

const SCRIPT = join(import.meta.dirname, "..", "..", "scripts", "words.ts");

describe("The check of words", () => {
  it.each([
    ["Somebody signs in.", "Somebody"],
    ["A token of whoever asks.", "whoever"],
    ["The first answer is kept.", "The first answer"],
    ["const answer = await fetch(url);", "const answer"],
    ["import { Answer } from './answers.ts'", "answers.ts"],
    ["function packAnswer() {}", "packAnswer"],
    ["const read = (): Answer => body;", ": Answer"],
    ["NATS was away.", "was away"],
    ["It lets nobody in.", "lets nobody in"],
    ["const RETRY_PATIENCE = 5;", "RETRY_PATIENCE"],
    ["showStanding(res);", "showStanding"],
    ["The request was denied.", "denied"],
  ])("finds the word in %j", (text, word) => {
    expect(findWords(text).map((finding) => finding.word)).toContain(word);
  });

  it.each([
    "The gateway answers 404, and each node answers a ping.",
    "answers 401 without a token",
    "for (let key in record) count++;",
    "NATS goes away from the list. Keep away.",
    'error: "access_denied"; FATAL: permission denied for table users',
    "The event loop's turn means that both share a frame.",
    "It was packed by npm pack.",
    "indoors, storytelling, understanding, by all means",
  ])("finds nothing in %j", (text) => {
    expect(findWords(text)).toEqual([]);
  });

  it("says the line and the column of each word, in the order of the text", () => {
    expect(findWords("one\ntwo nobody's\nand somebody, whoever")).toMatchObject([
      { line: 2, column: 5, word: "nobody's" },
      { line: 3, column: 5, word: "somebody" },
      { line: 3, column: 15, word: "whoever" },
    ]);
  });

  describe("as a command", () => {
    let root: string;
    beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "citadel-words-"))));
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    const write = (name: string, text: string) => {
      mkdirSync(join(root, name, ".."), { recursive: true });
      writeFileSync(join(root, name), text);
    };
    const check = () => spawnSync(process.execPath, [SCRIPT, root], { encoding: "utf8" });

    it("fails with the file, the line, the column, the word and the term, without colours", () => {
      write("lib/limits.ts", "// fine\nconst PATIENCE = 1;\n");
      const { status, stdout, stderr } = check();
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toBe(
        "lib/limits.ts:2:7 'PATIENCE' say: timeout, backoff, limit\n" +
          "Use the terms of docs/glossary.md: 1 found.\n",
      );
    });

    it("succeeds without output, and reads neither what is installed nor the glossary", () => {
      write("README.md", "The gateway answers.\n");
      write("docs/glossary.md", "Never: somebody.\n");
      write("node_modules/x/index.js", "// somebody\n");
      write("logo.png", "\0somebody\n");
      expect(check()).toMatchObject({ status: 0, stdout: "", stderr: "" });
    });
  });
});
