import { once } from "node:events";
import { createConnection } from "node:net";
import { setTimeout } from "node:timers/promises";
import { runChild } from "../harness/child.ts";
import { openWebSocket } from "./web-socket.ts";

// Sockets of Socket.IO (protocol 5, over Engine.IO 4) that sign in, then only respond to pings, and reconnect when the
// gateway has closed them.

export interface IdleSockets {
  /** Connect the sockets, or wait until they are back after a restart of the gateway. */
  work: "connect" | "reconnect";
  url: string;
  token: string;
  sockets: number;
}

/** How many sockets connect at once at first. */
const CONCURRENCY = 100;
/** How often the gateway's port is tried while it restarts, in milliseconds. */
const INTERVAL = 10;
/** How long a restart may take until all sockets are back, in milliseconds. */
const MAX_RESTART = 120_000;

let connected = 0;
let lastError: unknown;

/** The delay before a reconnection, in milliseconds: socket.io-client's, with its default options. */
const backoff = (attempt: number): number =>
  Math.min(1_000 * 2 ** attempt * (0.5 + Math.random()), 5_000);

/** @throws Error if the socket is refused */
function connect(url: string, token: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isConnected = false;
  openWebSocket(
    `${url}/socket.io/?EIO=4&transport=websocket`,
    (text, socket) => {
      if (text === "2") socket.send("3");
      else if (text.startsWith("0")) socket.send(`40${JSON.stringify({ token })}`);
      else if (text.startsWith("40")) {
        isConnected = true;
        connected += 1;
        resolve();
      } else if (text.startsWith("44")) {
        reject(new Error(`${url} refused a socket: ${text}`));
        socket.close();
      }
    },
    () => {
      reject(new Error(`${url} closed a socket before it was connected.`));
      if (!isConnected) return;
      connected -= 1;
      void reconnect(url, token);
    },
  ).catch(reject);
  return promise;
}

async function reconnect(url: string, token: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await setTimeout(backoff(attempt));
    try {
      return await connect(url, token);
    } catch (error) {
      lastError = error;
    }
  }
}

async function connectAll({ url, token, sockets }: IdleSockets): Promise<void> {
  let left = sockets;
  const work = async () => {
    while (left-- > 0) await connect(url, token);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}

/** @returns the seconds from when the new process listens until all sockets are connected */
async function untilBack({ url, sockets }: IdleSockets): Promise<number> {
  const until = async (isReached: () => boolean | Promise<boolean>) => {
    while (!(await isReached())) {
      if (performance.now() > deadline)
        throw new Error(`${connected} of ${sockets} sockets are connected.`, { cause: lastError });
      await setTimeout(INTERVAL);
    }
  };
  const deadline = performance.now() + MAX_RESTART;
  await until(async () => !(await isListening(url)));
  await until(() => isListening(url));
  const listening = performance.now();
  await until(() => connected === sockets);
  return (performance.now() - listening) / 1_000;
}

async function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = createConnection(Number(port), hostname);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

runChild<IdleSockets>({
  started: async () => {},
  respond: (request) => (request.work === "connect" ? connectAll(request) : untilBack(request)),
});
