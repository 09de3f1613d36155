import { io, type Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { administrator, request } from "../helpers/http.ts";
import { blocksOf, readDocument } from "../helpers/markdown.ts";
import { differences, parseShown } from "../helpers/shown-json.ts";

const DOCUMENT = "docs/sockets.md";
const blocks = blocksOf(readDocument(DOCUMENT));
const scripts = blocks.filter(({ language }) => language === "js");

/** The JSON block below a script; undefined: the document does not show what it prints. */
function shownBelow(at: number): unknown {
  const block = blocks[blocks.indexOf(scripts[at]!) + 1];
  return block?.language === "json" && block.isAttached ? parseShown(block.text) : undefined;
}

/** The scripts as one function, since they use each other's variables. `starting(n)` runs before the nth script. */
function compile(url: string): (...values: unknown[]) => Promise<void> {
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  const parts = scripts.map(({ text }, at) => {
    const reconnection = text.includes("catchUp()") ? "\nawait reconnecting(socket);" : "";
    return `await starting(${at});\n${text}${reconnection}`;
  });
  const body = [...parts, `await starting(${scripts.length});`]
    .join("\n")
    .replace('import { io } from "socket.io-client";', "")
    .replaceAll("http://localhost:3000", url);
  return AsyncFunction("io", "console", "starting", "reconnecting", body) as never;
}

describe.skipIf(isMissing)(`The examples of ${DOCUMENT}`, () => {
  const sockets: Socket[] = [];
  const printed: unknown[][] = scripts.map(() => []);
  let app: App;
  let current = 0;

  beforeAll(async () => {
    app = await sharedApp();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
  });

  const open = (...options: Parameters<typeof io>) => {
    const socket = io(...options);
    sockets.push(socket);
    return socket;
  };
  const print = (value: unknown) => void printed[current]?.push(value);

  /** Waits for what the script before still has to print. */
  const starting = async (at: number) => {
    if (at > 0 && shownBelow(at - 1) !== undefined)
      await expect.poll(() => printed[at - 1]).not.toEqual([]);
    current = at;
  };

  /** Breaks the connection, sends more messages than one acknowledgement carries, and waits until the client shows them. */
  const reconnecting = async (socket: Socket) => {
    const { token } = await administrator(app);
    socket.io.engine.close();
    const texts = Array.from({ length: 120 }, (_, at) => `missed ${at}`);
    const responses = await Promise.all(
      texts.map((text) =>
        request(app, "POST /api/chat/rooms/lobby/messages", { token, body: { text } }),
      ),
    );
    const lines = responses
      .map(({ body }) => body)
      .toSorted((a, b) => a.seq - b.seq)
      .map(({ seq, username, text }) => `#${seq} ${username}: ${text}`);
    const shown = () => printed[current]?.filter((line) => String(line).includes("missed"));
    await expect.poll(shown).toEqual(lines);
  };

  it("run one after the other and print what the document shows", async () => {
    const console = { log: print, error: print };
    await compile(app.url)(open, console, starting, reconnecting);
    for (const at of scripts.keys()) {
      const shown = shownBelow(at);
      if (shown !== undefined)
        expect(differences(shown, printed[at]?.[0], `line ${scripts[at]!.line}`)).toEqual([]);
    }
  }, 60_000);
});
