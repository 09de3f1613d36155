import { randomUUID } from "node:crypto";
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { styleText } from "node:util";
import { io } from "socket.io-client";

// A terminal in the lobby: `npm run chat -- alice [url]`. The password comes from PASSWORD, or is asked for.

const [username, url = `http://localhost:${process.env.PORT ?? 3000}`] = process.argv.slice(2);
if (!username) {
  console.error("Usage: npm run chat -- <username> [url]");
  process.exit(1);
}

/** When a socket is tried again that the server could not judge, in milliseconds. */
const RETRY_AFTER = 1_000;

const dim = (text: string) => (stdout.isTTY ? styleText("dim", text) : text);

/** Asks without showing what is typed. */
async function askHidden(what: string): Promise<string> {
  stdout.write(`${what}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const hidden = createInterface({ input: stdin, output: nowhere, terminal: true });
  const answer = await hidden.question("");
  hidden.close();
  stdout.write("\n");
  return answer;
}

async function signIn(): Promise<string> {
  const password = process.env.PASSWORD ?? (await askHidden("Password"));
  const ask = async (otp?: string) => {
    const response = await fetch(`${url}/api/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password, otp }),
    });
    return (await response.json()) as { access_token?: string; type?: string; message: string };
  };
  let answer = await ask();
  if (answer.type === "SecondFactorRequired")
    answer = await ask((await askHidden("Code of the second factor")).trim());
  if (answer.access_token === undefined) throw new Error(answer.message);
  return answer.access_token;
}

interface Message {
  seq: number;
  username: string;
  text: string;
}

async function main(): Promise<void> {
  const socket = io(url, { auth: { token: await signIn() }, transports: ["websocket"] });
  const lines = createInterface({ input: stdin });

  socket.on("connect", () => console.log(dim("You are in the lobby. Type, and press Enter.")));
  socket.on("connect_error", (error: Error & { data?: { code?: number } }) => {
    console.error(error.message);
    // a server that starts refuses sockets for some seconds, and socket.io-client tries again only where it got no response
    if ((error.data?.code ?? 0) >= 500) setTimeout(() => socket.connect(), RETRY_AFTER);
  });
  socket.on("message", ({ seq, username: who, text }: Message) =>
    console.log(`${dim(`#${seq}`)} ${who}: ${text}`),
  );
  socket.on("serverMessage", ({ text }: { text: string }) => console.log(`*** ${text}`));
  socket.on("session:end", ({ message }: { message: string }) => {
    console.error(message);
    process.exit(1);
  });
  lines.on("close", () => socket.close());

  for await (const text of lines) {
    if (text.trim() === "") continue;
    const ack = (await socket.emitWithAck("message", { text, clientId: randomUUID() })) as {
      ok: boolean;
      error?: { message: string };
    };
    if (!ack.ok) console.error(ack.error?.message);
  }
}

await main().catch((error: Error) => {
  const isAway = error.message === "fetch failed";
  console.error(isAway ? `Nothing answers at ${url}. Start it with 'npm run dev'.` : error.message);
  process.exit(1);
});
