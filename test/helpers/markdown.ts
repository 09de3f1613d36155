import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..", "..");

/** Every Markdown file of the repository, relative to its root, with `/`. */
export const markdownFiles = (): string[] =>
  globSync(["**/*.md", ".github/**/*.md"], {
    cwd: ROOT,
    exclude: (name) => ["node_modules", "dist", "coverage", ".data"].includes(name),
  })
    .map((name) => name.replaceAll("\\", "/"))
    .toSorted();

export const readDocument = (name: string): string => readFileSync(join(ROOT, name), "utf8");

/** A fenced block. */
export interface Block {
  /** What stands behind the fence: "sh", "json", or nothing. */
  language: string;
  text: string;
  /** The line of its opening fence, from 1. */
  line: number;
  /** The paragraph above it. */
  before: string;
  /** Does it follow another block without a line between them? */
  isAttached: boolean;
}

/** The fenced blocks of a document, indented ones included. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split("\n");
  let before: string[] = [];
  let lastEnd = -1;
  for (let at = 0; at < lines.length; at++) {
    const [, indent, language] = /^( *)```(.*)$/.exec(lines[at] ?? "") ?? [];
    if (indent === undefined) {
      if (lines[at] === "" && lines[at + 1] !== "" && !isFence(lines[at + 1])) before = [];
      before.push(lines[at] ?? "");
      continue;
    }
    const start = at;
    while (!isFence(lines[++at]) && at < lines.length);
    const content = lines.slice(start + 1, at).map((line) => line.slice(indent.length));
    blocks.push({
      language: language?.trim() ?? "",
      text: content.join("\n"),
      line: start + 1,
      before: before.join("\n"),
      isAttached: lastEnd === start - 1,
    });
    lastEnd = at;
  }
  return blocks;
}

const isFence = (line: string | undefined) => /^ *```/.test(line ?? "");

/** The document without its fenced blocks; its lines keep their numbers. */
const proseOf = (text: string): string =>
  text.replaceAll(/^( *)```[\s\S]*?^ *```$/gm, (block) => block.replaceAll(/[^\n]/g, ""));

/** The anchors that GitHub makes of a document's headings. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(text).matchAll(/^#{1,6} +(.+)$/gm)) {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The targets of a document's links, with their lines from 1. */
export function linksOf(text: string): { target: string; line: number }[] {
  const lines = proseOf(text).split("\n");
  return lines.flatMap((content, at) =>
    [...content.replaceAll(/`[^`]*`/g, "``").matchAll(/\]\(([^)\s]+)\)/g)].map(
      ([, target = ""]) => ({ target, line: at + 1 }),
    ),
  );
}
