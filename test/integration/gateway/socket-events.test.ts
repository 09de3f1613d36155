import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownContext } from "../../../lib/context/own-context.ts";
import { type App, isMissing, startApp, topology } from "../../helpers/app.ts";
import { startAttacker } from "../../helpers/attacker.ts";
import { startGateway } from "../../helpers/gateway.ts";
import { type Person, register } from "../../helpers/http.ts";
import { notes, notesService } from "../../helpers/notes.ts";
import { collect, connect } from "../../helpers/socket.ts";

/** Several gateways need a bus between them. */
const onNats = topology === "nats" ? it : () => {};

describe.skipIf(isMissing)("Socket events that a contract declares:", () => {
  const failing = new Set<string>();
  let app: App;
  let alice: Person;
  let bob: Person;
  let ofAlice: Socket;
  let ofBob: Socket;

  beforeAll(async () => {
    app = await startApp({}, { services: [notesService(failing)], contracts: [notes] });
    [alice, bob] = await Promise.all([register(app, "alice"), register(app, "bob")]);
    [ofAlice, ofBob] = await Promise.all([connect(app, alice.token), connect(app, bob.token)]);
  });
  afterAll(async () => {
    ofAlice?.close();
    ofBob?.close();
    await app?.stop();
  });

  /** Broadcasts as a service does. */
  const broadcastAs = (service: string, event: string, payload: object) =>
    ownContext(app.service(service)).broadcast(event as never, payload as never);
  const broadcast = (event: string, payload: object) => broadcastAs("notes", event, payload);

  const ask = (socket: Socket, event: string, ...data: unknown[]) =>
    socket.timeout(5_000).emitWithAck(event, ...data);

  /** Waits for an event that every socket receives: whatever was sent before has arrived then. */
  const settle = async (...sockets: Socket[]) => {
    const seen = sockets.map((socket) => collect(socket, "note:announced"));
    const text = crypto.randomUUID();
    await broadcast("notes.announced", { text });
    for (const one of seen) await expect.poll(() => one).toContainEqual({ text });
  };

  it("an event to all reaches every socket", async () => {
    const [first, second] = [ofAlice, ofBob].map((one) => collect(one, "note:announced"));
    await broadcast("notes.announced", { text: "Hello" });
    await expect.poll(() => first).toEqual([{ text: "Hello" }]);
    await expect.poll(() => second).toEqual([{ text: "Hello" }]);
  });

  it("an event to one user reaches every socket of that user and no other", async () => {
    const another = await connect(app, bob.token);
    const seen = [ofBob, another, ofAlice].map((one) => collect(one, "note:withdrawn"));
    const payload = { noteId: "any", userId: bob.id };
    await broadcast("notes.withdrawn", payload);
    await settle(ofBob, another, ofAlice);
    expect(seen).toEqual([[payload], [payload], []]);
    another.close();
  });

  it("an event to a room reaches the sockets in it and no other", async () => {
    const noteId = `${alice.id}:room`;
    const seen = [ofAlice, ofBob].map((one) => collect(one, "note:changed"));
    await broadcast("notes.changed", { noteId, text: "before" });
    // over NATS a client's event may be faster than a broadcast
    await settle(ofAlice, ofBob);
    expect(await ask(ofAlice, "note:open", { noteId })).toEqual({
      ok: true,
      data: { id: noteId, mode: "read" },
    });
    await broadcast("notes.changed", { noteId, text: "inside" });
    await settle(ofAlice, ofBob);
    expect(await ask(ofAlice, "note:close", { noteId })).toEqual({ ok: true, data: null });
    await broadcast("notes.changed", { noteId, text: "after" });
    await settle(ofAlice, ofBob);
    expect(seen).toEqual([[{ noteId, text: "inside" }], []]);
  });

  it("rooms of two services with the same id are different rooms", async () => {
    const [message, changed] = ["message", "note:changed"].map((event) => collect(ofAlice, event));
    const other = await connect(app, bob.token);
    await broadcast("notes.changed", { noteId: "lobby", text: "everyone" });
    await settle(ofAlice);
    expect(message).toEqual([]);
    expect(changed).toEqual([{ noteId: "lobby", text: "everyone" }]);
    other.close();
  });

  it.each(["user", "session", "room:chat"])(
    "a room id of a service reaches no room of the kind '%s'",
    async (kind) => {
      const id = { user: bob.id, session: sidOf(bob), "room:chat": "lobby" }[kind];
      const seen = collect(ofBob, "note:changed");
      for (const noteId of [`${kind}:${id}`, `chat:${id}`, `:${id}`, `../${kind}:${id}`])
        await broadcast("notes.changed", { noteId, text: "forged" });
      await settle(ofBob);
      expect(seen).toEqual([]);
    },
  );

  it("the fields that are not declared are not sent, at any depth", async () => {
    const seen = collect(ofBob, "note:changed");
    const payload = {
      noteId: "lobby",
      text: "Hi",
      tags: [{ name: "a", owner: "secret" }],
      ip: "::1",
    };
    await broadcast("notes.changed", payload);
    await expect.poll(() => seen).toEqual([{ noteId: "lobby", text: "Hi", tags: [{ name: "a" }] }]);
    expect(payload.tags[0]).toHaveProperty("owner");
  });

  it("a payload that does not match its declaration is not sent", async () => {
    const seen = collect(ofBob, "note:changed");
    await broadcast("notes.changed", { noteId: "lobby", text: { secret: 1 } });
    await broadcast("notes.changed", { noteId: ["lobby"], text: "Hi" });
    await settle(ofBob);
    expect(seen).toEqual([]);
  });

  it("an event that another service forges reaches no socket", async () => {
    const attacker = await startAttacker(app);
    const seen = collect(ofBob, "note:announced");
    await attacker.broadcast("notes.announced", { text: "forged" }, { caller: "notes" });
    await attacker.emit("notes.announced", { text: "forged" });
    await broadcastAs("users", "notes.announced", { text: "forged" });
    await broadcastAs("posts", "notes.announced", { text: "forged" });
    await settle(ofBob);
    expect(seen.filter(({ text }) => text === "forged")).toEqual([]);
    await attacker.stop();
  });

  it("a service moves the sockets of a user into a room and out of it", async () => {
    const noteId = `${bob.id}:shared`;
    const [shared, changed, withdrawn] = ["note:shared", "note:changed", "note:withdrawn"].map(
      (event) => collect(ofBob, event),
    );
    const others = collect(ofAlice, "note:changed");
    await broadcast("notes.shared", { noteId, userId: bob.id });
    await broadcast("notes.changed", { noteId, text: "inside" });
    await broadcast("notes.withdrawn", { noteId, userId: bob.id });
    await broadcast("notes.changed", { noteId, text: "after" });
    await settle(ofAlice, ofBob);
    expect([shared, changed, withdrawn, others]).toEqual([
      [{ noteId, userId: bob.id }],
      [{ noteId, text: "inside" }],
      [{ noteId, userId: bob.id }],
      [],
    ]);
  });

  it("a socket joins no room that the service refuses", async () => {
    const noteId = `${alice.id}:secret`;
    const seen = collect(ofBob, "note:changed");
    expect(await ask(ofBob, "note:open", { noteId })).toMatchObject({
      ok: false,
      error: { type: "NotFound" },
    });
    await broadcast("notes.changed", { noteId, text: "secret" });
    await settle(ofBob);
    expect(seen).toEqual([]);
  });

  it("a socket leaves the room that it has joined when the action fails", async () => {
    const noteId = `${bob.id}:failing`;
    failing.add(noteId);
    const seen = collect(ofBob, "note:changed");
    expect((await ask(ofBob, "note:open", { noteId })).error.type).toBe("Conflict");
    await broadcast("notes.changed", { noteId, text: "Hi" });
    await settle(ofBob);
    expect(seen).toEqual([]);
  });

  it("a socket leaves a room that it is in when the service refuses it there", async () => {
    const noteId = `${alice.id}:refused`;
    // the event moves bob's sockets into a room of alice's, as if a removal had been lost
    await broadcast("notes.shared", { noteId, userId: bob.id });
    await settle(ofBob);
    expect((await ask(ofBob, "note:open", { noteId })).error.type).toBe("NotFound");
    const seen = collect(ofBob, "note:changed");
    await broadcast("notes.changed", { noteId, text: "secret" });
    await settle(ofBob);
    expect(seen).toEqual([]);
  });

  it("a socket stays in a room that it is in when the action fails", async () => {
    const noteId = `${bob.id}:stays`;
    expect((await ask(ofBob, "note:open", { noteId })).ok).toBe(true);
    const mode = "x".repeat(20);
    expect((await ask(ofBob, "note:open", { noteId, mode })).error.type).toBe("VALIDATION_ERROR");
    const seen = collect(ofBob, "note:changed");
    await broadcast("notes.changed", { noteId, text: "Hi" });
    await settle(ofBob);
    expect(seen).toEqual([{ noteId, text: "Hi" }]);
  });

  it.each<{ noteId: unknown }>([
    { noteId: null },
    { noteId: 5 },
    { noteId: {} },
    { noteId: ["a"] },
    { noteId: { toString: 1, valueOf: 1 } },
  ])(
    "an event that leaves a room is refused as invalid with the room $noteId",
    async ({ noteId }) => {
      expect(await ask(ofAlice, "note:close", { noteId })).toMatchObject({
        ok: false,
        error: { type: "VALIDATION_ERROR", code: 422 },
      });
    },
  );

  it("a removal that was lost while NATS was disconnected is noticed afterwards", async () => {
    // the event moves bob's sockets into a room of alice's, from which nothing removes them
    const noteId = `${alice.id}:lost`;
    await broadcast("notes.shared", { noteId, userId: bob.id });
    await settle(ofBob);
    app.brokerOf("api").localBus.emit("$transporter.connected");
    const seen = collect(ofBob, "note:changed");
    await expect
      .poll(async () => {
        seen.length = 0;
        await broadcast("notes.changed", { noteId, text: "secret" });
        await settle(ofBob);
        return seen;
      })
      .toEqual([]);
  });

  it.each([[], [{}], [null], [{ unknown: 1 }]])(
    "an action without parameters is called with the data %j",
    async (...data) => {
      expect(await ask(ofAlice, "noteCount", ...data)).toEqual({ ok: true, data: 3 });
    },
  );

  it("a validation error names the fields of the event, not the parameters of the action", async () => {
    const { ok, error } = await ask(ofAlice, "note:open", { noteId: 5, mode: "x".repeat(20) });
    expect(ok).toBe(false);
    expect(error.type).toBe("VALIDATION_ERROR");
    expect(JSON.stringify(error)).not.toContain("'id'");
    expect(error.data).toContainEqual(
      expect.objectContaining({ field: "noteId", message: expect.stringContaining("'noteId'") }),
    );
  });

  it.each(["notes.open", "open", "note:changed", "notes.changed", "mayRead"])(
    "the client's event '%s' is not declared and is refused",
    async (event) => {
      expect(await ask(ofAlice, event, { id: `${alice.id}:x` })).toMatchObject({
        ok: false,
        error: { type: "NotFound", code: 404 },
      });
    },
  );

  onNats("each gateway sends an event once, to its own sockets", async () => {
    const gateway = await startGateway(app);
    const elsewhere = await connect(gateway, bob.token);
    const noteId = `${bob.id}:far`;
    await broadcast("notes.shared", { noteId, userId: bob.id });
    const seen = [ofBob, elsewhere, ofAlice].map((one) => collect(one, "note:changed"));
    await broadcast("notes.changed", { noteId, text: "Hi" });
    await settle(ofBob, elsewhere, ofAlice);
    expect(seen).toEqual([[{ noteId, text: "Hi" }], [{ noteId, text: "Hi" }], []]);
    elsewhere.close();
    await gateway.stop();
  });
});

const sidOf = ({ token }: Person): string =>
  JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()).sid;
