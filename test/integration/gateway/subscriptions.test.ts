import { randomUUID } from "node:crypto";
import type { Socket } from "socket.io-client";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Gateways } from "../../../services/api/gateways.ts";
import { Subscription } from "../../../services/api/subscriptions/subscription.ts";
import { Subscriptions } from "../../../services/api/subscriptions/subscriptions.ts";
import { application, type User } from "../../fixtures/application.ts";
import { isMissing, topology } from "../../helpers/app.ts";
import { startGateway } from "../../helpers/gateway.ts";
import {
  broadcastAs,
  deliveries,
  papers,
  papersService,
  Readers,
  ring,
  subscribe,
} from "../../helpers/papers.ts";
import { connect } from "../../helpers/socket.ts";

/** Several gateways need a bus between them. */
const onNats = topology === "nats" ? it : () => {};

describe.skipIf(isMissing)("A subscription to an event", () => {
  const readers = new Readers();
  const app = application({}, { services: [papersService(readers)], contracts: [papers] });
  let alice: User;
  let bob: User;
  let socket: Socket;

  beforeAll(async () => {
    [alice, bob] = [await app.register("alice"), await app.register("bob")];
  });
  beforeEach(async () => {
    socket = await app.socket(alice);
  });
  afterEach(() => void socket.close());

  const paper = (more: object = {}) => ({
    paperId: randomUUID(),
    ownerId: alice.id,
    pages: 3,
    ...more,
  });
  const emit = (event: string, payload: object) => broadcastAs(app, "papers", event, payload);
  const event = "papers.published";

  it("delivers each event with the subscription's id and the event's name", async () => {
    const seen = deliveries(socket);
    const ack = await subscribe(socket, event);
    expect(ack).toEqual({ ok: true, data: { id: expect.any(String) } });
    const payloads = [paper(), paper({ topic: "law", authors: [{ name: "Ann" }] })];
    for (const payload of payloads) await emit(event, payload);
    await ring(app, socket);
    expect(seen).toEqual(payloads.map((data) => ({ subscription: ack.data.id, event, data })));
  });

  it("delivers only events whose fields equal the given ones", async () => {
    const seen = deliveries(socket);
    const ids = [];
    for (const params of [{ ownerId: bob.id }, { ownerId: bob.id, topic: "art" }, { pages: 0 }, {}])
      ids.push((await subscribe(socket, event, params)).data.id);
    const payloads = [
      paper({ ownerId: bob.id }),
      paper({ ownerId: bob.id, topic: "art" }),
      paper({ pages: 0, topic: "art" }),
    ];
    for (const payload of payloads) await emit(event, payload);
    await ring(app, socket);
    const seenBy = (id: string) =>
      seen.filter(({ subscription }) => subscription === id).map(({ data }) => data);
    expect(ids.map(seenBy)).toEqual([
      [payloads[0], payloads[1]],
      [payloads[1]],
      [payloads[2]],
      payloads,
    ]);
  });

  it("delivers the declared fields only, at any depth, and nothing that does not fit", async () => {
    const seen = deliveries(socket);
    await subscribe(socket, event);
    const declared = paper({ authors: [{ name: "Ann" }] });
    const given = { ...declared, authors: [{ name: "Ann", salary: 1 }], ip: "::1" };
    await emit(event, given);
    await emit(event, { ...declared, pages: { secret: 1 } });
    await ring(app, socket);
    expect(seen.map(({ data }) => data)).toEqual([declared]);
    expect(given.authors[0]).toHaveProperty("salary");
  });

  it("ends with 'unsubscribe', and the others of the socket go on", async () => {
    const seen = deliveries(socket);
    const [first, second] = [await subscribe(socket, event), await subscribe(socket, event)];
    expect(await socket.emitWithAck("unsubscribe", { id: first.data.id })).toEqual({
      ok: true,
      data: null,
    });
    await emit(event, paper());
    await ring(app, socket);
    expect(seen.map(({ subscription }) => subscription)).toEqual([second.data.id]);
    const again = await socket.emitWithAck("unsubscribe", { id: first.data.id });
    expect(again).toMatchObject({ ok: false, error: { type: "NotFound", code: 404 } });
  });

  it("to an event for one user reaches every socket of that user and no other", async () => {
    const sockets = [socket, await app.socket(alice), await app.socket(bob)];
    const seen = sockets.map(deliveries);
    for (const one of sockets) expect((await subscribe(one, "papers.graded")).ok).toBe(true);
    const payload = paper();
    await emit("papers.graded", payload);
    await ring(app, ...sockets);
    expect(seen.map((all) => all.map(({ data }) => data))).toEqual([[payload], [payload], []]);
    for (const one of sockets.slice(1)) one.close();
  });

  it("to an event for a room delivers while the socket is in the room, without the epoch", async () => {
    const seen = deliveries(socket);
    await subscribe(socket, "papers.commented");
    const payload = paper();
    const comment = () => emit("papers.commented", { ...payload, epoch: readers.epoch });
    await comment();
    readers.add(payload.paperId, alice.id);
    await ring(app, socket);
    expect((await socket.emitWithAck("paper:open", { id: payload.paperId })).ok).toBe(true);
    await comment();
    await ring(app, socket);
    expect(seen.map(({ data }) => data)).toEqual([payload]);
  });

  it("is refused beyond the limit of the socket, until another one has ended", async () => {
    const limited = await app.socket(bob);
    const acks = [];
    for (let at = 0; at < 100; at += 1) acks.push(await subscribe(limited, event));
    expect(acks.every(({ ok }) => ok)).toBe(true);
    expect(await subscribe(limited, event)).toMatchObject({
      ok: false,
      error: { type: "TooManyRequests", code: 429 },
    });
    await limited.emitWithAck("unsubscribe", { id: acks[0].data.id });
    expect((await subscribe(limited, event)).ok).toBe(true);
    limited.close();
  });

  it("is not counted when it was refused", async () => {
    for (let at = 0; at < 101; at += 1)
      expect((await subscribe(socket, event, { pages: "many" })).error.type).toBe(
        "VALIDATION_ERROR",
      );
    expect((await subscribe(socket, event)).ok).toBe(true);
  });

  it("delivers nothing before its acknowledgement, with which the client gets the id", async () => {
    const { add } = Subscriptions.prototype;
    const adding = vi.spyOn(Subscriptions.prototype, "add");
    adding.mockImplementationOnce(async function early(this: Subscriptions, request) {
      const subscription = await add.call(this, request);
      this.publish(event, paper());
      return subscription;
    });
    const seen = deliveries(socket);
    const { data } = await subscribe(socket, event);
    adding.mockRestore();
    await ring(app, socket);
    expect(seen).toEqual([]);
    const payload = paper();
    await emit(event, payload);
    await ring(app, socket);
    expect(seen).toEqual([{ subscription: data.id, event, data: payload }]);
  });

  it("ends with its socket: it is offered no later events", async () => {
    const closing = await app.socket(bob);
    expect((await subscribe(closing, event)).ok).toBe(true);
    const { io } = app.service("api") as unknown as Gateways;
    const { sockets } = io.of("/");
    // those of the tests before may still be closing
    await expect.poll(() => sockets.size).toBe(2);
    const offer = vi.spyOn(Subscription.prototype, "offer");
    try {
      await emit(event, paper());
      await ring(app, closing);
      expect(offer).toHaveBeenCalledOnce();
      closing.close();
      await expect.poll(() => sockets.size).toBe(1);
      await emit(event, paper());
      await ring(app, socket);
      expect(offer).toHaveBeenCalledOnce();
    } finally {
      offer.mockRestore();
    }
  });

  onNats("gets the events at each gateway, once", async () => {
    const gateway = await startGateway(app);
    const elsewhere = await connect(gateway, bob.token);
    const sockets = [socket, elsewhere];
    const seen = sockets.map(deliveries);
    for (const one of sockets) expect((await subscribe(one, event)).ok).toBe(true);
    const payload = paper();
    await emit(event, payload);
    await ring(app, ...sockets);
    expect(seen.map((all) => all.map(({ data }) => data))).toEqual([[payload], [payload]]);
    elsewhere.close();
    await gateway.stop();
  });
});
