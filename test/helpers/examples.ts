import { type Block, blocksOf, readDocument } from "./markdown.ts";
import { parseShown } from "./shown-json.ts";

/** Where the examples find the application. */
export const HOST = "localhost:3000";

/** A block of commands in a document, and the responses that the document shows for it. */
export interface Example {
  line: number;
  /** The paragraph above it. */
  before: string;
  commands: string[];
  /** The first responses with a body, in their order. */
  shown: unknown[];
}

/** The examples of a document that use curl against the application. */
export function examplesOf(document: string): Example[] {
  const text = readDocument(document);
  const blocks = blocksOf(text);
  // the service that the document tells its reader to add has no route here
  const [, added] = /new:service -- (\w+)/.exec(text) ?? [];
  return blocks.flatMap((block, at) => {
    if (!block.text.includes("curl ") || !block.text.includes(HOST)) return [];
    if (added && block.text.includes(`/api/${added}`)) return [];
    const { line, before } = block;
    const examples =
      block.language === "sh" ? [scriptOf(block, blocks[at + 1])] : transcriptOf(block.text);
    return examples.map((example) => ({ line, before, ...example }));
  });
}

type Part = Pick<Example, "commands" | "shown">;

/** A script, and the block of JSON below it. */
function scriptOf(script: Block, next?: Block): Part {
  const shown = next?.isAttached && next.language === "json" ? shownIn(next.text) : [];
  return { commands: commandsOf(script.text.split("\n")).filter(isExecutable), shown };
}

/** `$ command` and what it prints, several times. */
function transcriptOf(text: string): Part[] {
  const [, ...parts] = `\n${text}`.split(/\n\$ /);
  return parts
    .map((part) => {
      const [command = "", ...output] = commandsOf(part.split("\n"));
      return { commands: [command], shown: output.filter(isJson).map(parseShown) };
    })
    .filter(({ commands: [command] }) => command?.includes(HOST));
}

/** Commands that go on after `\` and `|`, or inside of quotes, as one. */
function commandsOf(lines: string[]): string[] {
  const commands: string[] = [];
  let current = "";
  for (const line of lines) {
    current += current ? `\n${line}` : line;
    const isQuoted = (current.match(/'/g)?.length ?? 0) % 2 === 1;
    if (isQuoted || /[\\|]\s*$/.test(line)) continue;
    commands.push(current);
    current = "";
  }
  return commands;
}

/** Not what needs Docker or another host, nor `ID=…`, which the reader fills in. */
const isExecutable = (command: string) =>
  command.includes(HOST) || /^\w+=[^…]*$/.test(command.split("#")[0] ?? "");

export const isJson = (line: string) => /^[[{]/.test(line);

/** One response, or one in each line. */
function shownIn(text: string): unknown[] {
  try {
    return [parseShown(text)];
  } catch {
    return text.split("\n").filter(Boolean).map(parseShown);
  }
}
