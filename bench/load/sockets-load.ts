import { type Measurement, type Outcome, Recorder } from "./recorder.ts";
import { openWebSocket, type WebSocketClient } from "./web-socket.ts";

// Many sockets of Socket.IO (protocol 5, over Engine.IO 4), some of which send messages and wait for acknowledgements.

export interface SocketsLoad extends Measurement {
  url: string;
  /** The access tokens of the sockets, in turn. */
  tokens: string[];
  sockets: number;
  /** How many of the sockets send; each sends one message at a time. */
  senders: number;
  /** The event that is sent, and its arguments. */
  event: unknown[];
  /** How the acknowledgement of a stored message begins. */
  accepted: string;
}

export interface SocketsOutcome extends Outcome {
  /** How often a socket received a message. */
  deliveries: number;
}

interface Client {
  emit(event: unknown[]): Promise<string>;
  close(): void;
}

/** The sockets stay connected from one measurement of a side to the next. */
const connected = new Map<string, Promise<Client[]>>();
let deliveries = 0;

const DELIVERED = '42["message"';

export async function putSocketsLoad(load: SocketsLoad): Promise<SocketsOutcome> {
  const opening = connected.get(load.url) ?? Promise.all(openAll(load));
  connected.set(load.url, opening);
  const clients = await opening;
  const recorder = new Recorder();
  const work = async (client: Client): Promise<void> => {
    while (!recorder.isOver) {
      const sent = performance.now();
      const acknowledgement = await client.emit(load.event);
      if (!acknowledgement.startsWith(load.accepted))
        throw new Error(`${load.url} acknowledged: ${acknowledgement.slice(0, 300)}`);
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

const openAll = ({ url, tokens, sockets }: SocketsLoad): Promise<Client>[] =>
  Array.from({ length: sockets }, (_, at) => open(url, tokens[at % tokens.length]));

function open(url: string, token: string | undefined): Promise<Client> {
  const { promise, resolve, reject } = Promise.withResolvers<Client>();
  const waiting = new Map<string, (acknowledgement: string) => void>();
  let last = 0;
  const onText = (text: string, socket: WebSocketClient): void => {
    if (text.startsWith(DELIVERED)) deliveries++;
    else if (text.startsWith("43")) {
      const start = text.indexOf("[");
      const id = text.slice(2, start);
      waiting.get(id)?.(text.slice(start));
      waiting.delete(id);
    } else if (text === "2") socket.send("3");
    else if (text.startsWith("0")) socket.send(`40${JSON.stringify({ token })}`);
    else if (text.startsWith("40"))
      resolve({
        emit: (event) =>
          new Promise((acknowledge) => {
            const id = String(++last);
            waiting.set(id, acknowledge);
            socket.send(`42${id}${JSON.stringify(event)}`);
          }),
        close: () => socket.close(),
      });
    else if (text.startsWith("44")) reject(new Error(`${url} refused a socket: ${text}`));
  };
  openWebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, onText).catch(reject);
  return promise;
}
