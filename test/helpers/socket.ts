import { once } from "node:events";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import type { App } from "./app.ts";

/** A connected client. @throws the handshake's error */
export async function connect(
  app: Pick<App, "url">,
  token?: string,
  options: Partial<ManagerOptions & SocketOptions> = {},
): Promise<Socket> {
  const socket = io(app.url, {
    transports: ["websocket"],
    forceNew: true,
    reconnection: false,
    ...(token !== undefined && { auth: { token } }),
    ...options,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("connect_error", (error) => {
      socket.close();
      reject(error);
    });
  });
  return socket;
}

/** The error object of a refused handshake. */
export async function refusal(...given: Parameters<typeof connect>): Promise<any> {
  const socket = await connect(...given).catch((error: Error & { data?: unknown }) => error);
  if (!(socket instanceof Error)) {
    socket.close();
    throw new Error("The handshake was accepted.");
  }
  return socket.data ?? socket.message;
}

/** The next event of this name. Call it before the event is triggered. */
export async function next(socket: Socket, event: string): Promise<any> {
  const [data] = await once(socket as never, event);
  return data;
}

/** The next message with this text. Greetings of new accounts arrive at any time. */
export function nextMessage(socket: Socket, text: string): Promise<any> {
  return new Promise((resolve) => {
    const listen = (message: { text: string }) => {
      if (message.text !== text) return;
      socket.off("message", listen);
      resolve(message);
    };
    socket.on("message", listen);
  });
}

/** Every event of this name from now on. */
export function collect(socket: Socket, event: string): any[] {
  const seen: any[] = [];
  socket.on(event, (data) => seen.push(data));
  return seen;
}
