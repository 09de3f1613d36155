import { createServer } from "node:http";
import { Server } from "socket.io";
import { runChild } from "../../harness/child.ts";
import { messageOf } from "./message.js";

// Socket.IO alone, in one process, without accounts and without storing anything.

const server = createServer();
const io = new Server(server, { serveClient: false });

io.on("connection", (socket) => {
  socket.on("message", (sent, acknowledge) => {
    const message = messageOf(sent);
    io.emit("message", message);
    acknowledge({ ok: true, data: message });
  });
});

runChild({
  started: () =>
    new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve({ port: server.address().port }));
    }),
});
