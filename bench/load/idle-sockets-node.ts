import { setTimeout } from "node:timers/promises";
import { runChild } from "../harness/child.ts";
import { openSocket } from "./socket-client.ts";

// Sockets that sign in, then only respond to pings, and reconnect when the gateway has closed them.

export interface IdleSockets {
  /** Connect the sockets, or wait until they are back after a restart of the gateway. */
  work: "connect" | "reconnect";
  url: string;
  /** The access tokens of the sockets, in turn. */
  tokens: string[];
  sockets: number;
  /** What each socket sends when it has connected. It counts as connected after the acknowledgement. */
  resume?: unknown[];
}

/** How many sockets connect at once at first. */
const CONCURRENCY = 100;
/** How often it is looked at how many are connected, in milliseconds. */
const INTERVAL = 10;
/** How long a restart may take until all sockets are back, in milliseconds. */
const MAX_RESTART = 120_000;

const ACCEPTED = '[{"ok":true';

let connected = 0;
let lastError: unknown;

/** The delay before a reconnection, in milliseconds: socket.io-client's, with its default options. */
const backoff = (attempt: number): number =>
  Math.min(1_000 * 2 ** attempt * (0.5 + Math.random()), 5_000);

/** @throws Error if the socket is refused, or closed, or cannot resume */
async function connect(load: IdleSockets, token: string | undefined): Promise<void> {
  const { url, resume } = load;
  const { promise: closed, reject } = Promise.withResolvers<never>();
  // the error is thrown where the socket resumes
  closed.catch(() => {});
  let isConnected = false;
  const onClose = () => {
    reject(new Error(`${url} closed a socket.`));
    if (!isConnected) return;
    connected -= 1;
    void reconnect(load, token);
  };
  const client = await openSocket({ url, token, onEvent: () => {}, onClose });
  const acknowledgement = await Promise.race([closed, resume ? client.emit(resume) : ACCEPTED]);
  if (!acknowledgement.startsWith(ACCEPTED)) {
    client.close();
    throw new Error(`${url} acknowledged: ${acknowledgement.slice(0, 300)}`);
  }
  isConnected = true;
  connected += 1;
}

async function reconnect(load: IdleSockets, token: string | undefined): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await setTimeout(backoff(attempt));
    try {
      return await connect(load, token);
    } catch (error) {
      lastError = error;
    }
  }
}

async function connectAll(load: IdleSockets): Promise<void> {
  let left = load.sockets;
  const work = async () => {
    while (left-- > 0) await connect(load, load.tokens[left % load.tokens.length]);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}

/** Waits until the gateway has closed sockets, and all are back. */
async function untilBack({ sockets }: IdleSockets): Promise<void> {
  const deadline = performance.now() + MAX_RESTART;
  const until = async (isReached: () => boolean) => {
    while (!isReached()) {
      if (performance.now() > deadline)
        throw new Error(`${connected} of ${sockets} sockets are connected.`, { cause: lastError });
      await setTimeout(INTERVAL);
    }
  };
  await until(() => connected < sockets);
  await until(() => connected === sockets);
}

runChild<IdleSockets>({
  started: async () => {},
  respond: async (request) =>
    request.work === "connect" ? connectAll(request) : untilBack(request),
});
