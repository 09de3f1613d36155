import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { stderr } from "node:process";
import { styleText } from "node:util";

/** Words that docs/glossary.md replaces by one term, and that term. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  // "the gateway answers 404" is fine; "the answer" is a response
  [
    /\b(?:an|the|its|their|your|our|every|no|any|another|same|of|own|without) answers?\b/gi,
    "response",
  ],
  [/\b(?:this|that|each|first|last|whole|late|wrong|cached|stored) answer\b/gi, "response"],
  [
    /\b(?:an?|the|its|each|every|no) [a-z'-]+ answer\b(?! (?:\d|an?\b|in|it|to|with))/gi,
    "response",
  ],
  [/\banswer's\b|\b(?:const|let) answers?\b|\b(?:interface|type|class) Answers?\b/g, "response"],
  [/\b[a-z]\w*Answers?(?![a-z])|\banswers?\.ts\b/g, "response"],
  [/[<:|] ?Answers?\b(?=[\s;,|>)\]}[=]|$)/gm, "Response"],
  [/\b(?:un)?pack(?:ed|s)? (?:answer|response|body|bodies|payload)/gi, "compressed, decompressed"],
  [/\bhowever it is packed\b|\bpacked or not\b|\bpacked badly\b/gi, "compressed"],
  [/\bsomebody\b/gi, "a user, a client, an account, a caller"],
  [/\bnobody's\b/gi, "no user's, of no account"],
  [/\bwho(?:m)?(?:so)?ever\b/gi, "a user who, a client that, an attacker who"],
  [/\bfor whom\b/gi, "for the user, for the account"],
  [/\bnot to be had\b/gi, "unavailable"],
  [/\b(?:is|are|was|were|being) away\b/gi, "unavailable, unreachable, disconnected"],
  [/\btime and again\b/gi, "scheduled, repeated"],
  [/\bthe house\b/gi, "the application, the gateway"],
  [/\bpatience\b|\w*_?PATIENCE\b/gi, "timeout, backoff, limit"],
  [/\b(?:denials?|denied|declined)\b/gi, "refusal, refused"],
  [/\bdistrust\w*/gi, "revoke, refuse"],
  [/\buntold\b/gi, "unreported"],
  [/\btaken on\b/gi, "accepted"],
  [/\b(?<!for \()lets? (?:\w+ ){0,2}in\b(?!\w)/gi, "accept, allow"],
  [/\b(?:is|are|was|were|be) let (?:in|through)\b/gi, "accepted, allowed"],
  [/\bwhyNot\b/g, "the name of what it returns: problem, refusal, error"],
  [/\b\w*Teller\b/g, "Reporter"],
  [/\b(?:[a-z]\w*)?Standing\b/g, "rate limit state"],
  [/\b(?:[a-z]\w*)?Means\b/g, "Dependencies, Options"],
  [/\bDoors?\b|\bDoor[A-Z]\w*|[a-z]Doors?\b/g, "entry point"],
];

/** Texts of others that contain such a word. */
const QUOTED = /access_denied|permission denied|permissions denied|authorization denied/gi;

/** Never read: what is installed or built, what lists the words, and what others wrote. */
const SKIPPED_FOLDERS = new Set(["node_modules", ".git", ".data", "coverage", "dist"]);
const SKIPPED_FILES = new Set([
  "LICENSE",
  "docs/glossary.md",
  "package-lock.json",
  "packages/service-guard/LICENSE",
  "scripts/words.ts",
  "test/unit/words.test.ts",
]);

export interface Finding {
  line: number;
  column: number;
  word: string;
  say: string;
}

/** The words in this text that the glossary replaces, in the order of the text. Lines and columns start at 1. */
export function findWords(text: string): Finding[] {
  const findings = new Map<number, Finding>();
  const own = text.replace(QUOTED, (quoted) => "_".repeat(quoted.length));
  for (const [pattern, say] of WORDS)
    for (const { 0: word, index } of own.matchAll(pattern)) {
      const lines = own.slice(0, index).split("\n");
      const column = (lines.at(-1)?.length ?? 0) + 1;
      if (!findings.has(index)) findings.set(index, { line: lines.length, column, word, say });
    }
  return [...findings].toSorted(([a], [b]) => a - b).map(([, finding]) => finding);
}

/** Every file below this folder that the check reads, as paths with `/`. */
function* filesBelow(root: string, folder = root): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const name = relative(root, path).replaceAll(sep, "/");
    if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) yield* filesBelow(root, path);
    else if (entry.isFile() && !SKIPPED_FILES.has(name)) yield name;
  }
}

function main(root: string): void {
  let count = 0;
  for (const name of filesBelow(root)) {
    const text = readFileSync(join(root, name), "utf8");
    if (text.includes("\0")) continue;
    for (const { line, column, word, say } of findWords(text)) {
      const found = styleText("red", `'${word}'`, { stream: stderr });
      stderr.write(`${name}:${line}:${column} ${found} say: ${say}\n`);
      count++;
    }
  }
  if (count === 0) return;
  stderr.write(`Use the terms of docs/glossary.md: ${count} found.\n`);
  process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename)
  main(process.argv[2] ?? join(import.meta.dirname, ".."));
