import type { Context } from "moleculer";
import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Gateways } from "../../services/api/gateways.ts";
import ChatService from "../../services/chat/chat.service.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { startGateway } from "../helpers/gateway.ts";
import { collect, connect } from "../helpers/socket.ts";

/** Loses these events on their way to a gateway, and records all others. */
function wiretap() {
  const events: string[] = [];
  const lost = new Set<string>();
  const middleware = {
    name: "Wiretap",
    localEvent: (next: (ctx: Context) => Promise<unknown>) => async (ctx: Context) => {
      const name = ctx.eventName ?? "";
      if (lost.has(name)) return;
      const { roomId } = (ctx.params ?? {}) as { roomId?: string };
      if (roomId !== undefined) events.push(`${name} ${roomId}`);
      await next(ctx);
    },
  };
  return { events, lost, middleware: middleware as never };
}

describe.skipIf(isMissing)("Events for a room, with two gateways,", () => {
  const app = application({});
  const tap = wiretap();
  let other: Awaited<ReturnType<typeof startGateway>>;
  let alice: User;
  let bob: User;
  let ofAlice: Socket;
  let ofBob: Socket;

  beforeAll(async () => {
    other = await startGateway(app, {}, [tap.middleware]);
    [alice, bob] = (await Promise.all(["alice", "bob"].map((name) => app.register(name)))) as [
      User,
      User,
    ];
    ofAlice = await connect(app, alice.token);
    ofBob = await connect(other, bob.token);
  });
  afterAll(async () => {
    ofAlice?.close();
    ofBob?.close();
    await other?.stop();
  });

  const makeRoom = async (...members: User[]) => {
    const { id } = (
      await alice.request("POST /api/chat/rooms", { body: { name: "R", private: true } })
    ).body;
    for (const { id: userId } of members)
      await alice.request("PUT /api/chat/rooms/:id/members/:userId", {
        path: { id, userId },
        body: {},
      });
    return id;
  };

  const send = async (roomId: string, text: string) =>
    (await ofAlice.emitWithAck("message", { roomId, text })).data;

  const join = (socket: Socket, roomId: string) => socket.emitWithAck("room:join", { roomId });

  const remove = (id: string) =>
    alice.request("DELETE /api/chat/rooms/:id/members/:userId", { path: { id, userId: bob.id } });

  /** Waits for an event that every gateway receives: what was sent before has arrived then. */
  const settle = async () => {
    const seen = collect(ofBob, "message");
    const { data } = await ofAlice.emitWithAck("message", { text: crypto.randomUUID() });
    await expect.poll(() => seen).toContainEqual(data);
  };

  it("reach the gateways that have sockets in it, and no other", async () => {
    const here = await makeRoom();
    const there = await makeRoom(bob);
    // events for members were sent to all gateways
    await settle();
    tap.events.length = 0;
    await join(ofAlice, here);
    await join(ofAlice, there);
    await join(ofBob, there);
    const received = collect(ofBob, "message");
    await send(here, "only here");
    const message = await send(there, "there, too");
    await expect.poll(() => received).toContainEqual(message);
    await ofAlice.emitWithAck("typing", { roomId: here });
    await settle();
    expect(tap.events.filter((event) => event.endsWith(here))).toEqual([]);
    expect(tap.events).toContain(`chat.message ${there}`);
    await ofBob.emitWithAck("room:leave", { roomId: there });
    await settle();
    await expect
      .poll(async () => {
        tap.events.length = 0;
        await send(there, "no longer there");
        await settle();
        return tap.events.filter((event) => event.endsWith(there));
      })
      .toEqual([]);
  });

  it("reach no removed member, although the event about the removal was lost", async () => {
    const id = await makeRoom(bob);
    for (const socket of [ofAlice, ofBob]) await join(socket, id);
    const received = collect(ofBob, "message");
    const before = await send(id, "before");
    await expect.poll(() => received).toContainEqual(before);
    tap.lost.add("chat.member.removed");
    await remove(id);
    tap.lost.clear();
    await send(id, "after");
    await ofAlice.emitWithAck("typing", { roomId: id });
    await settle();
    const { io } = other.broker.getLocalService("api") as unknown as Gateways;
    await expect.poll(() => io.of("/").adapter.rooms.has(`room:chat:${id}`)).toBe(false);
    expect(received.filter(({ text }) => text === "after")).toEqual([]);
  });

  it("reach the members who stay when another one is removed, in order", async () => {
    const id = await makeRoom(bob);
    for (const socket of [ofAlice, ofBob]) await join(socket, id);
    const received = collect(ofAlice, "message");
    await remove(id);
    const sent = [];
    for (const text of ["1", "2", "3"]) sent.push(await send(id, text));
    await expect.poll(() => received.filter(({ roomId }) => roomId === id)).toEqual(sent);
  });

  it("are about presence and typing, on the other gateway, too", async () => {
    const id = await makeRoom(bob);
    await join(ofAlice, id);
    const [presence, typing] = [collect(ofAlice, "presence"), collect(ofAlice, "typing")];
    await join(ofBob, id);
    await expect.poll(() => presence).toContainEqual({ roomId: id, userId: bob.id, online: true });
    await ofBob.emitWithAck("typing", { roomId: id });
    await expect.poll(() => typing).toMatchObject([{ roomId: id, userId: bob.id, typing: true }]);
    await ofBob.emitWithAck("room:leave", { roomId: id });
    await expect.poll(() => presence).toContainEqual({ roomId: id, userId: bob.id, online: false });
  });

  it("show users as absent whose gateway has died without a word", async () => {
    const id = await makeRoom(bob);
    await join(ofAlice, id);
    const presence = collect(ofAlice, "presence");
    const chat = app.instance(ChatService);
    const report = { room: id, users: [bob.id] };
    await chat.presence.report("dead-gateway", { whole: true, present: [report], absent: [] });
    const online = { roomId: id, userId: bob.id, online: true };
    await expect.poll(() => presence).toContainEqual(online);
    await expect
      .poll(() => presence.at(-1), { timeout: 25_000 })
      .toEqual({ ...online, online: false });
    const { body } = await alice.request("GET /api/chat/rooms/:id/presence", { path: { id } });
    expect(body.users).toEqual([alice.id]);
  });

  it("are found again by the node that did not know a gateway", async () => {
    const id = await makeRoom(bob);
    for (const socket of [ofAlice, ofBob]) await join(socket, id);
    const chat = app.instance(ChatService);
    // as after a disconnection that only this node has noticed
    chat.broker.localBus.emit("$node.disconnected", { node: { id: other.broker.nodeID } });
    const received = collect(ofBob, "message");
    const message = await send(id, "unknown gateways receive all events");
    await expect.poll(() => received).toContainEqual(message);
  });
});
