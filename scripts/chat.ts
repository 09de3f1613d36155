import { randomUUID } from "node:crypto";
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { styleText } from "node:util";
import { io } from "socket.io-client";

// A chat client for the terminal: `npm run chat -- alice [url]`. It reads the password from PASSWORD or asks for it.

const [username, url = `http://localhost:${process.env.PORT ?? 3000}`] = process.argv.slice(2);
if (!username) {
  console.error("Usage: npm run chat -- <username> [url]");
  process.exit(1);
}

/** The delay before a handshake that failed for the server's reasons is repeated, in milliseconds. */
const RETRY_DELAY = 1_000;

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

async function signIn(): Promise<string> {
  const password = process.env.PASSWORD ?? (await askHidden("Password"));
  const login = async (otp?: string) => {
    const response = await fetch(`${url}/api/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password, otp }),
    });
    return (await response.json()) as { access_token?: string; type?: string; message: string };
  };
  let result = await login();
  if (result.type === "SecondFactorRequired")
    result = await login((await askHidden("Code of the second factor")).trim());
  if (result.access_token === undefined) throw new Error(result.message);
  return result.access_token;
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
    // a server that starts refuses handshakes for some seconds; socket.io-client retries only if it got no response
    if ((error.data?.code ?? 0) >= 500) setTimeout(() => socket.connect(), RETRY_DELAY);
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
  const isUnreachable = error.message === "fetch failed";
  console.error(
    isUnreachable
      ? `The server at ${url} is unreachable. Start it with 'npm run dev'.`
      : error.message,
  );
  process.exit(1);
});
