import { createConnection, type Socket } from "node:net";
import { type Measurement, type Outcome, Recorder } from "./recorder.ts";

// Sends one HTTP request again and again, over connections that stay open. Written on node:net, since node:http costs more
// for a request than some of the measured servers and shares their cores, and the latencies of autocannon are whole
// milliseconds.

export interface HttpLoad extends Measurement {
  url: string;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: string;
  /** The status that every response must have. */
  status: number;
  connections: number;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/** Is this a whole response? One request at a time is on a connection, so the last chunk ends the bytes. */
function isWhole(bytes: Buffer): boolean {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return false;
  const head = bytes.toString("latin1", 0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= end + HEAD_END.length + Number(length);
  return bytes.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK);
}

function requestOf({ url, method, headers, body = "" }: HttpLoad): Buffer {
  const { host, pathname, search } = new URL(url);
  const lines = Object.entries({
    host,
    accept: "application/json",
    ...headers,
    ...(method === "POST" && {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
    }),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

/** @throws Error for a response of another status, or a connection that is closed */
export async function putHttpLoad(load: HttpLoad): Promise<Outcome> {
  const request = requestOf(load);
  const expected = Buffer.from(`HTTP/1.1 ${load.status} `);
  const { hostname, port } = new URL(load.url);
  const sockets = await Promise.all(
    Array.from({ length: load.connections }, () => connect(Number(port), hostname)),
  );
  const recorder = new Recorder();

  const work = (socket: Socket) =>
    new Promise<void>((resolve, reject) => {
      let sent = 0;
      let received: Buffer | undefined;
      const send = () => {
        sent = performance.now();
        socket.write(request);
      };
      socket.on("data", (bytes: Buffer) => {
        received = received ? Buffer.concat([received, bytes]) : bytes;
        if (!isWhole(received)) return;
        if (!received.subarray(0, expected.length).equals(expected)) {
          reject(new Error(`${load.url} responded:\n${received.toString().slice(0, 600)}`));
          socket.destroy();
          return;
        }
        received = undefined;
        recorder.add(performance.now() - sent);
        if (recorder.isOver) resolve();
        else send();
      });
      socket.once("error", reject);
      socket.once("close", () => reject(new Error(`${load.url} closed a connection.`)));
      send();
    });

  const [outcome] = await Promise.all([recorder.measure(load), ...sockets.map(work)]);
  for (const socket of sockets) socket.destroy();
  return outcome;
}

const connect = (port: number, host: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = createConnection({ port, host, noDelay: true }, () => resolve(socket));
    socket.once("error", reject);
  });
