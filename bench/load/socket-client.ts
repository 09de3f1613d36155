import { openWebSocket, type WebSocketClient } from "./web-socket.ts";

/** A socket of Socket.IO (protocol 5, over Engine.IO 4). */
export interface SocketClient {
  /** Sends an event. @returns its acknowledgement, as JSON */
  emit(event: unknown[]): Promise<string>;
  /** Sends an event that was encoded before. @returns false if it waits for earlier ones to leave this process */
  send(packet: string): boolean;
  close(): void;
}

interface Options {
  url: string;
  token: string | undefined;
  /** Is called with each event, as the packet `42["name",...]`. */
  onEvent: (packet: string) => void;
  /** Is called when the connection has closed, by either side. */
  onClose?: () => void;
  onDrain?: () => void;
}

/** An event without an acknowledgement, as a packet. */
export const packetOf = (event: unknown[]): string => `42${JSON.stringify(event)}`;

/** @throws Error if the socket is refused, or closed before it is connected */
export function openSocket({ url, token, onEvent, onClose, onDrain }: Options) {
  const { promise, resolve, reject } = Promise.withResolvers<SocketClient>();
  const waiting = new Map<string, (acknowledgement: string) => void>();
  let last = 0;
  const onText = (text: string, socket: WebSocketClient): void => {
    if (text.startsWith("42")) onEvent(text);
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
        send: (packet) => socket.send(packet),
        close: () => socket.close(),
      });
    else if (text.startsWith("44")) {
      reject(new Error(`${url} refused a socket: ${text}`));
      socket.close();
    }
  };
  const handlers = {
    onText,
    onClose: () => {
      reject(new Error(`${url} closed a socket before it was connected.`));
      onClose?.();
    },
    onDrain,
  };
  openWebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, handlers).catch(reject);
  return promise;
}
