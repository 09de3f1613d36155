import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";

// A WebSocket client (RFC 6455) for text messages without extensions. A message costs it less than a client library takes,
// which would use the cores of the measured servers: each message is received a hundred times.

const TEXT = 1;
const CLOSE = 8;
const FINAL = 0x80;
const MASKED = 0x80;
/** A mask of zeros leaves the payload as it is. */
const MASK = Buffer.alloc(4);

export interface WebSocketClient {
  /** @returns false if the text waits for earlier ones to leave this process */
  send(text: string): boolean;
  close(): void;
}

interface Handlers {
  /** Is called with each text message. */
  onText: (text: string, client: WebSocketClient) => void;
  /** Is called when the connection has closed, by either side. */
  onClose: () => void;
  /** Is called when everything that was sent has left this process, after `send` has returned false. */
  onDrain?: (() => void) | undefined;
}

/** @throws Error if the server is unreachable or refuses the upgrade */
export async function openWebSocket(
  url: string,
  { onText, onClose, onDrain }: Handlers,
): Promise<WebSocketClient> {
  const opening = request(url, {
    headers: {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
    },
  });
  opening.once("response", ({ statusCode }) =>
    opening.destroy(new Error(`${url} responded ${statusCode}.`)),
  );
  opening.end();
  const [, socket, head] = (await once(opening, "upgrade")) as [unknown, Socket, Buffer];
  socket.setNoDelay(true);
  // a server that closes a connection makes the measurement end without a result
  socket.on("error", () => {});
  socket.once("close", onClose);
  if (onDrain) socket.on("drain", onDrain);
  const client: WebSocketClient = {
    send: (text) => socket.write(frameOf(text)),
    close: () => void socket.destroy(),
  };
  let received = head;
  const read = () => {
    for (let frame = readFrame(received); frame; frame = readFrame(received)) {
      received = received.subarray(frame.end);
      if (frame.opcode === TEXT) onText(frame.payload.toString(), client);
      else if (frame.opcode === CLOSE) socket.end();
    }
  };
  socket.on("data", (bytes: Buffer) => {
    received = received.length > 0 ? Buffer.concat([received, bytes]) : bytes;
    read();
  });
  read();
  return client;
}

function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126
      ? [MASKED | payload.length]
      : [MASKED | 126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([FINAL | TEXT, ...length]), MASK, payload]);
}

interface Frame {
  opcode: number;
  payload: Buffer;
  /** Where the next frame starts. */
  end: number;
}

/** The first frame; undefined if it has not arrived as a whole. A server sends none as long as 64 KB here. */
function readFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1] as number;
  const start = short === 126 ? 4 : 2;
  if (bytes.length < start) return undefined;
  const end = start + (short === 126 ? bytes.readUInt16BE(2) : short);
  if (bytes.length < end) return undefined;
  return { opcode: (bytes[0] as number) & 0x0f, payload: bytes.subarray(start, end), end };
}
