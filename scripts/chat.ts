import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { styleText } from "node:util";
import { ClientError, createClient, type Room } from "@citadel/client";
import { io } from "socket.io-client";

// A chat client for the terminal: `npm run chat -- alice [url]`. It reads the password from PASSWORD or asks for it.

const [username, url = `http://localhost:${process.env.PORT ?? 3000}`] = process.argv.slice(2);
if (!username) {
  console.error("Usage: npm run chat -- <username> [url]");
  process.exit(1);
}

const HELP =
  "/rooms lists your rooms, /join <id> enters one, /help shows this. Anything else is sent.";

const dim = (text: string) => (stdout.isTTY ? styleText("dim", text) : text);

/** Asks for a secret: the terminal does not show what the user types. */
async function askHidden(what: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const hidden = createInterface({ input: stdin, output: nowhere, terminal: true });
  // only now: the terminal would show what is typed before the line above
  stdout.write(`${what}: `);
  const typed = await hidden.question("");
  hidden.close();
  stdout.write("\n");
  return typed;
}

const client = createClient({ url, io });

async function signIn(name: string): Promise<void> {
  const password = process.env.PASSWORD ?? (await askHidden("Password"));
  try {
    await client.signIn(name, password);
  } catch (error) {
    if (!(error instanceof ClientError) || error.type !== "SecondFactorRequired") throw error;
    const code = await askHidden("Code of the second factor");
    await client.signIn(name, password, code.trim());
  }
}

/** The room that the user writes to, and the removal of its listeners. */
let current: { readonly room: Room; readonly listeners: readonly (() => void)[] } | undefined;

/** Enters a room, and shows what is written there from now on. */
async function enter(id: string): Promise<void> {
  const room = client.room(id, { history: 0 });
  if (room === current?.room) return;
  await room.join();
  for (const remove of current?.listeners ?? []) remove();
  current?.room.leave().catch(show);
  const listeners = [
    room.on("message", ({ seq, username: who, text }) =>
      console.log(`${dim(`#${seq}`)} ${who}: ${text}`),
    ),
    room.on("updated", ({ messageSeq, text }) => console.log(dim(`#${messageSeq} now: ${text}`))),
    room.on("deleted", ({ messageSeq }) => console.log(dim(`#${messageSeq} was deleted.`))),
    room.on("removed", () => console.log("You are no longer in this room.")),
  ];
  current = { room, listeners };
}

async function listRooms(): Promise<void> {
  const { items } = await client.call("chat.rooms");
  for (const { id, name, unread } of items)
    console.log(`${id}  ${name}  ${dim(`${unread} unread`)}`);
}

const show = (error: unknown) => console.error((error as Error).message);

async function main(name: string): Promise<void> {
  await signIn(name);
  client.on("serverMessage", ({ text }) => console.log(`*** ${text}`));
  client.on("disconnected", () => console.error(dim("Disconnected; reconnecting.")));
  client.on("signedOut", ({ error }) => {
    console.error(error?.message);
    process.exit(1);
  });
  await enter("lobby");
  console.log(dim(`You are in the lobby. Type, and press Enter. ${HELP}`));
  for await (const line of createInterface({ input: stdin })) {
    const [command, id = "lobby"] = line.trim().split(/\s+/);
    if (command === "/rooms") await listRooms().catch(show);
    else if (command === "/help") console.log(HELP);
    else if (command === "/join") await enter(id).catch(show);
    else if (line.trim() !== "") await current?.room.send(line).stored.catch(show);
  }
  client.close();
}

await main(username).catch((error: unknown) => {
  const isUnreachable = error instanceof ClientError && error.type === "Unreachable";
  console.error(
    isUnreachable
      ? `The server at ${url} is unreachable. Start it with 'npm run dev'.`
      : (error as Error).message,
  );
  process.exit(1);
});
