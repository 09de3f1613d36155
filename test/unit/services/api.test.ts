import { randomUUID } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import ApiService from "../../../services/api/api.service.ts";
import { startService } from "../../fixtures/service.ts";
import { request } from "../../helpers/http.ts";
import { connect, next, refusal } from "../../helpers/socket.ts";

describe("The api service", () => {
  const api = startService(ApiService);
  const server = () => {
    const { server: http } = api.instance as unknown as { server: Server };
    return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
  };

  it("is live but not ready while the other services are missing", async () => {
    expect((await request(server(), "GET /health/live")).status).toBe(200);
    const { status, body } = await request(server(), "GET /health/ready");
    expect(status).toBe(503);
    expect(body).toEqual({
      status: "not ready",
      missing: ["auth", "chat", "guard", "posts", "users"],
    });
  });

  it("answers 404 for a path that no contract declares", async () => {
    const { status, body } = await request(server(), "GET /api/nonsense");
    expect(status).toBe(404);
    expect(body.type).toBe("NotFound");
  });

  it("refuses a socket without an access token", async () => {
    expect(await refusal(server())).toMatchObject({ type: "AccessTokenRequired", code: 401 });
  });

  it("sends a chat message to the sockets in its room", async () => {
    const socket = await connect(server(), api.token({ username: "alice" }));
    const message = {
      id: randomUUID(),
      roomId: "lobby",
      seq: 1,
      userId: null,
      username: "bob",
      text: "Hello",
      timestamp: new Date().toISOString(),
      clientId: null,
      replyTo: null,
      editedAt: null,
      deletedAt: null,
    };
    const received = next(socket, "message");
    await api.receive("chat.message", { ...message, epoch: 0 });
    expect(await received).toEqual(message);
    socket.close();
  });

  it("disconnects the sockets of a revoked session", async () => {
    const sid = randomUUID();
    const socket = await connect(server(), api.token({ sid }));
    const ended = next(socket, "session:end");
    const disconnected = next(socket, "disconnect");
    const until = Math.floor(Date.now() / 1000) + 600;
    await api.receive("sessions.revoked", { sessions: [{ sid }], until });
    expect(await ended).toMatchObject({ type: "AccessTokenRevoked" });
    await disconnected;
  });
});
