import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket as Connection } from "node:net";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { joinWrites } from "../../../services/api/sockets/joined-writes.ts";
import { collect } from "../../helpers/socket.ts";

/** A server with one client, and the connection between them on the server's side. */
async function startServer(transports: string[]) {
  const server = createServer();
  const io = new Server(server);
  joinWrites(io);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const connections: Connection[] = [];
  server.on("connection", (connection) => connections.push(connection));
  const { port } = server.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`, { transports, forceNew: true });
  onTestFinished(async () => {
    client.close();
    await io.close();
  });
  await once(client as never, "connect");
  return { io, client, connections };
}

describe("The gateway's sockets", () => {
  it.each([
    ["WebSocket", ["websocket"]],
    ["a WebSocket that began as polling", ["polling", "websocket"]],
  ])("write the packets of one turn to %s in at most two system calls", async (_, transports) => {
    const { io, client, connections } = await startServer(transports);
    await expect.poll(() => client.io.engine.transport.name).toBe("websocket");
    const single = connections.map((connection) => vi.spyOn(connection, "_write"));
    const joined = connections.map((one) => vi.spyOn(one as Required<Connection>, "_writev"));
    const received = collect(client, "number");
    const numbers = Array.from({ length: 10 }, (_one, at) => at);
    for (const number of numbers) io.emit("number", number);
    await expect.poll(() => received).toEqual(numbers);
    const calls = [...single, ...joined].map(({ mock }) => mock.calls.length);
    expect(calls.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(2);
  });

  it("write to a polling connection", async () => {
    const { io, client } = await startServer(["polling"]);
    const received = collect(client, "number");
    for (const number of [1, 2, 3]) io.emit("number", number);
    await expect.poll(() => received).toEqual([1, 2, 3]);
  });
});
