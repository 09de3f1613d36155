import type { Middleware } from "moleculer";
import type { Socket } from "socket.io-client";
import { expect } from "vitest";
import type { Gateways } from "../../services/api/gateways.ts";
import ChatService from "../../services/chat/chat.service.ts";
import type { Application, User } from "../fixtures/application.ts";
import type { App, AppOptions } from "./app.ts";
import { collect } from "./socket.ts";

/**
 * Records every action of chat and notes that runs. Gateways and the queue call some on their own: these calls are recorded
 * only if their parameters have the text `forged`.
 */
export function spyOnActions(): { reached: string[]; broker: NonNullable<AppOptions["broker"]> } {
  const reached: string[] = [];
  const isOwn = (name: string) => /\.event\.|\.watchRooms$|\.reportPresence$/.test(name);
  const spy = {
    name: "Spy",
    localAction: (inner: any, { name }: any) =>
      /^(chat|notes)\./.test(name)
        ? (ctx: any) => {
            if (!isOwn(name) || JSON.stringify(ctx.params).includes("forged")) reached.push(name);
            return inner(ctx);
          }
        : inner,
  } as unknown as Middleware;
  return {
    reached,
    broker: (own) => ({ ...own, middlewares: [spy, ...(own.middlewares ?? [])] }),
  };
}

/** The sockets that the gateway has in a room of chat. */
export function socketsIn(app: App, roomId: string): string[] {
  const { io } = app.service("api") as unknown as Gateways;
  return [...(io.of("/").adapter.rooms.get(`room:chat:${roomId}`) ?? [])];
}
/** Creates a room with these members. @returns its id */
export async function createRoom(
  owner: User,
  members: User[] = [],
  room: { private?: boolean } = { private: true },
): Promise<string> {
  const { body } = await owner.request("POST /api/chat/rooms", { body: { name: "Room", ...room } });
  for (const { id: userId } of members)
    await owner.request("PUT /api/chat/rooms/:id/members/:userId", {
      path: { id: body.id, userId },
      body: {},
    });
  return body.id;
}

/** Removes a member over HTTP. */
export const removeMember = (by: User, id: string, { id: userId }: Pick<User, "id">) =>
  by.request("DELETE /api/chat/rooms/:id/members/:userId", { path: { id, userId } });

/** Runs an operation of the API over a socket. @returns the error or null, and the result */
export const call = (socket: Socket, action: unknown, params: unknown): Promise<any[]> =>
  new Promise((resolve) =>
    socket.emit("call", action, params, (...ack: unknown[]) => resolve(ack)),
  );

/** Sends a message over HTTP. */
export async function send(by: User, id: string, text: string) {
  const { body } = await by.request("POST /api/chat/rooms/:id/messages", {
    path: { id },
    body: { text },
  });
  return body;
}

/** Everything that is stored about rooms, except what gateways and nodes store on their own. */
export async function storedRooms(app: Application): Promise<unknown> {
  const { db } = app.instance(ChatService);
  const rooms = await db
    .selectFrom("rooms")
    .select(["id", "name", "private", "kind", "pair", "epoch"])
    .orderBy("id")
    .execute();
  // greetings of new accounts come at any time
  const messages = await db
    .selectFrom("messages")
    .selectAll()
    .where("user_id", "is not", null)
    .orderBy("id")
    .execute();
  const [members, changes, cursors, blocks] = await Promise.all([
    db.selectFrom("members").selectAll().orderBy("room_id").orderBy("user_id").execute(),
    db.selectFrom("changes").selectAll().orderBy("room_id").orderBy("seq").execute(),
    db.selectFrom("read_cursors").selectAll().orderBy("room_id").orderBy("user_id").execute(),
    db.selectFrom("blocks").selectAll().orderBy("user_id").orderBy("blocked_id").execute(),
  ]);
  return { rooms, messages, members, changes, cursors, blocks };
}

/** Sends a message to the lobby and waits until these sockets have it: what the service sent before has arrived then. */
export async function settle(by: User, ...sockets: Socket[]): Promise<void> {
  const seen = sockets.map((socket) => collect(socket, "message"));
  const message = await send(by, "lobby", crypto.randomUUID());
  for (const one of seen) await expect.poll(() => one).toContainEqual(message);
}

/** Every event that a socket receives from now on and that is about a room. */
export function collectOf(socket: Socket, roomId: string): [event: string, payload: any][] {
  const seen: [string, any][] = [];
  socket.onAny((event, payload) => {
    if (payload?.roomId === roomId) seen.push([event, payload]);
  });
  return seen;
}
