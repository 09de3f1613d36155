import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { quantile } from "../harness/statistics.ts";

// Requests with access tokens that are all different and all refused, while a user sends good ones.

export interface TokenFlood {
  url: string;
  /** A valid access token. */
  token: string;
  /** The requests with other tokens, or with the valid one for comparison. */
  requests: number;
  isForged: boolean;
  connections: number;
}

export interface FloodOutcome {
  seconds: number;
  /** The latencies of the user's requests, in milliseconds. */
  p50: number;
  p99: number;
}

/** Makes tokens with the claims of a valid one, each with an id and a signature of its own. */
function forge(token: string): () => string {
  const [header = "", payload = ""] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  return () => {
    const jti = randomBytes(8).toString("hex");
    const forged = Buffer.from(JSON.stringify({ ...claims, jti })).toString("base64url");
    return `${header}.${forged}.${randomBytes(256).toString("base64url")}`;
  };
}

/** @throws Error for a response with another status */
export async function putTokenFlood(flood: TokenFlood): Promise<FloodOutcome> {
  const { url, token, isForged, connections } = flood;
  const makeForged = forge(token);
  let sentTokens = 0;
  const hasNext = () => sentTokens < flood.requests;
  const started = performance.now();
  const send = async () => {
    const request = await connect(url);
    while (hasNext()) {
      sentTokens += 1;
      await request(isForged ? makeForged() : token, isForged ? 401 : 200);
    }
  };
  const latencies: number[] = [];
  const use = async () => {
    const request = await connect(url);
    while (hasNext()) {
      const sent = performance.now();
      await request(token, 200);
      latencies.push(performance.now() - sent);
    }
  };
  await Promise.all([use(), ...Array.from({ length: connections }, send)]);
  latencies.sort((a, b) => a - b);
  return {
    seconds: (performance.now() - started) / 1_000,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}

/** Opens a connection. @returns sends a request on it, and waits for the response */
async function connect(url: string): Promise<(token: string, status: number) => Promise<void>> {
  const { hostname, port, host, pathname } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  return async (token, status) => {
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\n\r\n`,
    );
    const response = await readResponse(socket);
    if (!response.startsWith(`HTTP/1.1 ${status} `))
      throw new Error(`${url} responded:\n${response.slice(0, 600)}`);
  };
}

/** A response with a Content-Length, or with chunks. */
async function readResponse(socket: Socket): Promise<string> {
  let text = "";
  for (;;) {
    const [bytes] = (await once(socket, "data")) as [Buffer];
    text += bytes.toString("latin1");
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1];
    const isWhole =
      length === undefined ? text.endsWith("0\r\n\r\n") : text.length >= end + 4 + Number(length);
    if (isWhole) return text;
  }
}
