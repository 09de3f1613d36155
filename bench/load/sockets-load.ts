import { type Measurement, type Outcome, Recorder } from "./recorder.ts";
import { openSocket, type SocketClient } from "./socket-client.ts";

// Many sockets, some of which send messages and wait for acknowledgements.

export interface SocketsLoad extends Measurement {
  url: string;
  /** The access tokens of the sockets, in turn. */
  tokens: string[];
  sockets: number;
  /** The events that the sockets send once when they are connected, in turn. */
  joins?: unknown[][];
  /** How many of the sockets send; each sends one message at a time. */
  senders: number;
  /** The events that the senders send, in turn, with their arguments. */
  events: unknown[][];
  /** How the acknowledgement of a stored message begins. */
  accepted: string;
}

export interface SocketsOutcome extends Outcome {
  /** How often a socket received a message. */
  deliveries: number;
}

/** The sockets stay connected from one measurement of a side to the next. */
const connected = new Map<string, Promise<SocketClient[]>>();
let deliveries = 0;

const DELIVERED = '42["message"';

export async function putSocketsLoad(load: SocketsLoad): Promise<SocketsOutcome> {
  const opening = connected.get(load.url) ?? openAll(load);
  connected.set(load.url, opening);
  const clients = await opening;
  const recorder = new Recorder();
  const work = async (client: SocketClient, at: number): Promise<void> => {
    const event = inTurn(load.events, at) ?? [];
    while (!recorder.isOver) {
      const sent = performance.now();
      await emit(client, event, load);
      recorder.add(performance.now() - sent);
    }
  };
  const measure = async () => {
    const before = { at: performance.now(), deliveries };
    const outcome = await recorder.measure(load);
    const share = (outcome.seconds * 1_000) / (performance.now() - before.at);
    // they were counted during the lead-in, too
    return { ...outcome, deliveries: (deliveries - before.deliveries) * share };
  };
  const [outcome] = await Promise.all([measure(), ...clients.slice(0, load.senders).map(work)]);
  return outcome;
}

const inTurn = <T>(values: readonly T[], at: number): T | undefined => values[at % values.length];

async function emit(
  client: SocketClient,
  event: unknown[],
  { url, accepted }: SocketsLoad,
): Promise<void> {
  const acknowledgement = await client.emit(event);
  if (!acknowledgement.startsWith(accepted))
    throw new Error(`${url} acknowledged: ${acknowledgement.slice(0, 300)}`);
}

async function openAll(load: SocketsLoad): Promise<SocketClient[]> {
  const { url, tokens, sockets, joins = [] } = load;
  const open = async (at: number) => {
    const client = await openSocket({
      url,
      token: inTurn(tokens, at),
      onEvent: (packet) => {
        if (packet.startsWith(DELIVERED)) deliveries++;
      },
    });
    const join = inTurn(joins, at);
    if (join) await emit(client, join, load);
    return client;
  };
  return Promise.all(Array.from({ length: sockets }, (_, at) => open(at)));
}
