import { once } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";

/** Opens a connection that sends these bytes and reads nothing. @param address a loopback address, such as 127.0.0.2 */
export async function openUnread(
  url: string,
  sent: string,
  address = "127.0.0.1",
): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: address });
  socket.on("error", () => {});
  socket.pause();
  await once(socket, "connect");
  if (sent !== "") await new Promise<unknown>((resolve) => socket.write(sent, resolve));
  return socket;
}

/** Opens many of them. */
export const openMany = (url: string, count: number, sent: string): Promise<Socket[]> =>
  Promise.all(Array.from({ length: count }, () => openUnread(url, sent)));

export interface Response {
  status: number;
  body: string;
  headers: IncomingMessage["headers"];
}

/**
 * One request on a connection of its own, from an address of this machine.
 *
 * @throws Error where no response comes within ten seconds: the tests of a busy machine take two
 */
export async function askFrom(address: string, url: string, route: string): Promise<Response> {
  const [method = "GET", path = "/"] = route.split(" ");
  const asking = httpRequest(url + path, {
    method,
    localAddress: address,
    agent: false,
    signal: AbortSignal.timeout(10_000),
  });
  asking.end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  const { statusCode = 0, headers } = response;
  return { status: statusCode, headers, body: await text(response) };
}
