import { createServer } from "node:http";
import { Server } from "socket.io";
import { runChild } from "../../harness/child.ts";
import { settings } from "../settings.js";
import { messageOf } from "./message.js";

// Socket.IO alone, in one process, without accounts and without storing anything.

const server = createServer();
const io = new Server(server, { serveClient: false });

io.on("connection", (socket) => {
  socket.on("message", (sent, acknowledge) => {
    const message = messageOf(sent);
    (sent.roomId === undefined ? io : io.to(sent.roomId)).emit("message", message);
    acknowledge({ ok: true, data: message });
  });
  socket.on("room:join", async ({ roomId }, acknowledge) => {
    await socket.join(roomId);
    acknowledge({ ok: true, data: { messages: [], changes: [], through: 0, seq: 0 } });
  });
});

runChild({
  started: () =>
    new Promise((resolve) => {
      server.listen(settings.port ?? 0, "127.0.0.1", () =>
        resolve({ port: server.address().port }),
      );
    }),
});
