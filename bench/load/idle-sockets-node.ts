import { runChild } from "../harness/child.ts";
import { openWebSocket } from "./web-socket.ts";

// Sockets of Socket.IO (protocol 5, over Engine.IO 4) that sign in and then only respond to pings.

export interface IdleSockets {
  url: string;
  token: string;
  sockets: number;
}

/** How many sockets connect at once. */
const CONCURRENCY = 100;

/** @throws Error if the socket is refused */
function connect(url: string, token: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  openWebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, (text, socket) => {
    if (text === "2") socket.send("3");
    else if (text.startsWith("0")) socket.send(`40${JSON.stringify({ token })}`);
    else if (text.startsWith("40")) resolve();
    else if (text.startsWith("44")) reject(new Error(`${url} refused a socket: ${text}`));
  }).catch(reject);
  return promise;
}

/** @returns the seconds until all are connected */
async function connectAll({ url, token, sockets }: IdleSockets): Promise<number> {
  const started = performance.now();
  let left = sockets;
  const work = async () => {
    while (left-- > 0) await connect(url, token);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return (performance.now() - started) / 1_000;
}

runChild<IdleSockets>({ started: async () => {}, respond: connectAll });
