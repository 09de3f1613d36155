import { setTimeout } from "node:timers/promises";
import { runChild } from "../harness/child.ts";
import { openSocket, packetOf } from "./socket-client.ts";

// A socket that sends as fast as it can. When it is closed, it connects again after a pause.

export interface SocketFlood {
  url: string;
  token: string;
  event: unknown[];
  /** Between the end of a connection and the next one, in milliseconds. */
  pause: number;
  /** In milliseconds. */
  duration: number;
}

export interface FloodOutcome {
  /** Events that were written. */
  sent: number;
  /** How often the socket was closed. */
  closed: number;
}

/** How many events are written in a turn of the event loop. */
const BURST = 50;

async function flood({ url, token, event, pause, duration }: SocketFlood): Promise<FloodOutcome> {
  const packet = packetOf(event);
  const outcome = { sent: 0, closed: 0 };
  const end = performance.now() + duration;
  while (performance.now() < end) {
    await floodOnce({ url, token, packet, end, outcome });
    await setTimeout(Math.min(pause, Math.max(0, end - performance.now())));
  }
  return outcome;
}

/** Resolves when the server has closed the socket, or refused it, or the time is over. */
async function floodOnce({
  outcome,
  packet,
  end,
  ...address
}: {
  url: string;
  token: string;
  packet: string;
  end: number;
  outcome: FloodOutcome;
}): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const connection = { isClosed: false };
  let drained = () => {};
  const onClose = () => {
    connection.isClosed = true;
    drained();
    resolve();
  };
  const onDrain = () => drained();
  let client;
  try {
    client = await openSocket({ ...address, onEvent: () => {}, onClose, onDrain });
  } catch {
    return;
  }
  while (!connection.isClosed && performance.now() < end) {
    const burst = Array.from({ length: BURST }, () => client.send(packet));
    outcome.sent += BURST;
    if (burst.at(-1)) await setTimeout(0);
    else await new Promise<void>((resume) => (drained = resume));
  }
  if (connection.isClosed) outcome.closed += 1;
  client.close();
  await closed;
}

runChild<SocketFlood>({ started: async () => {}, respond: flood });
