import { setTimeout } from "node:timers/promises";
import { type Measurement, type Outcome, Recorder } from "./recorder.ts";
import { openSocket, packetOf, type SocketClient } from "./socket-client.ts";

// A fixed number of messages a second, each of which all sockets receive. The latency of a message is the time from when
// it was due until the last socket has received it.

export interface PacedLoad extends Measurement {
  /** The gateways, which the sockets connect to in turn. */
  urls: string[];
  /** The access tokens of the sockets, in turn. */
  tokens: string[];
  sockets: number;
  /** How many of the sockets send, in turn. */
  senders: number;
  /** The messages a second. */
  rate: number;
  /** The event that is sent. Its text begins with MARK, which each message replaces with its own number. */
  event: unknown[];
}

export const MARK = "#0#";

/** How long the last messages may take until all sockets have received them, in milliseconds. */
const MAX_DELIVERY = 10_000;

interface Message {
  /** When it was due. */
  due: number;
  /** How many sockets have not received it. */
  left: number;
}

/** The sockets stay connected from one measurement of a side to the next. */
const connected = new Map<string, Promise<SocketClient[]>>();
/** The messages that not all sockets have received, by their numbers. */
const pending = new Map<number, Message>();
let last = 0;
let recorder = new Recorder();

/** @throws Error if a message does not reach all sockets */
export async function putPacedLoad(load: PacedLoad): Promise<Outcome> {
  const [key = ""] = load.urls;
  const opening = connected.get(key) ?? openAll(load);
  connected.set(key, opening);
  const clients = await opening;
  recorder = new Recorder();
  const [outcome] = await Promise.all([recorder.measure(load), sendAll(clients, load)]);
  const deadline = performance.now() + MAX_DELIVERY;
  while (pending.size > 0 && performance.now() < deadline) await setTimeout(10);
  if (pending.size > 0) throw new Error(`${key}: ${pending.size} messages have not reached all.`);
  return outcome;
}

async function sendAll(clients: readonly SocketClient[], load: PacedLoad): Promise<void> {
  const [start, end] = packetOf(load.event).split(MARK);
  const interval = 1_000 / load.rate;
  for (let due = performance.now(); !recorder.isOver; due += interval) {
    // a message that is sent late is late for its receivers, too
    await setTimeout(Math.max(0, due - performance.now()));
    const number = ++last;
    pending.set(number, { due, left: load.sockets });
    clients[number % load.senders]?.send(`${start}#${number}#${end}`);
  }
}

async function openAll({ urls, tokens, sockets }: PacedLoad): Promise<SocketClient[]> {
  const clients: SocketClient[] = [];
  for (let at = 0; at < sockets; at++)
    clients.push(
      await openSocket({
        url: urls[at % urls.length] ?? "",
        token: tokens[at % tokens.length],
        onEvent: receive,
      }),
    );
  return clients;
}

function receive(packet: string): void {
  const start = packet.indexOf('"#') + 2;
  if (start === 1) return;
  const number = Number(packet.slice(start, packet.indexOf("#", start)));
  const message = pending.get(number);
  if (!message) return;
  message.left -= 1;
  if (message.left > 0) return;
  pending.delete(number);
  recorder.add(performance.now() - message.due);
}
