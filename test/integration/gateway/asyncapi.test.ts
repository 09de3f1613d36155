import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { Socket } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { administrator, type Person, register, request } from "../../helpers/http.ts";
import { connect, next, nextMessage, refusal } from "../../helpers/socket.ts";

describe.skipIf(isMissing)("GET /asyncapi.json", () => {
  let app: App;
  let alice: Person;
  let socket: Socket;
  let document: any;
  let ajv: Ajv2020;

  beforeAll(async () => {
    app = await sharedApp();
    alice = await register(app, "alice");
    socket = await connect(app, alice.token);
    document = (await request(app, "GET /asyncapi.json")).body;
    ajv = new Ajv2020({ strict: false, allErrors: true });
    (addFormats as any)(ajv);
    ajv.addSchema(document, "asyncapi");
  });
  afterAll(async () => {
    socket?.close();
  });

  /** What is wrong with a payload, as the message describes it. */
  const faultOf = (channel: string, message: string, payload: unknown) => {
    const pointer = `asyncapi#/channels/${channel}/messages/${message}/payload`;
    return ajv.validate(pointer, payload) ? undefined : ajv.errorsText();
  };
  const faultOfAck = (event: string, ack: unknown) => faultOf("acknowledgements", event, ack);
  const faultOfEvent = (event: string, data: unknown) =>
    faultOf("sockets", `server.${event}`, data);

  it("is cached and asked for again with If-None-Match", async () => {
    const { headers } = await request(app, "GET /asyncapi.json");
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
    const again = { "if-none-match": headers.get("etag")! };
    expect((await request(app, "GET /asyncapi.json", { headers: again })).status).toBe(304);
  });

  it("is linked from the page at the root and listed in the OpenAPI document", async () => {
    expect(await (await fetch(app.url)).text()).toContain('href="/asyncapi.json"');
    const { body } = await request(app, "GET /openapi.json");
    expect(body.paths).toHaveProperty(["/asyncapi.json"]);
  });

  it("describes the acknowledgements of success and of refusal", async () => {
    const ack = await socket.emitWithAck("message", { text: "Hello" });
    expect(ack.ok).toBe(true);
    expect(faultOfAck("message", ack)).toBeUndefined();
    const refused = await socket.emitWithAck("message", {});
    expect(refused.ok).toBe(false);
    expect(faultOfAck("message", refused)).toBeUndefined();
    const { token } = alice;
    for (const [event, name, data] of [
      ["room:join", "room.join", { roomId: "lobby", after: 0 }],
      ["room:join", "room.join", { roomId: "attic" }],
      ["room:leave", "room.leave", { roomId: "attic" }],
      ["auth:refresh", "auth.refresh", { token }],
      ["auth:refresh", "auth.refresh", {}],
    ] as const)
      expect(faultOfAck(name, await socket.emitWithAck(event, data))).toBeUndefined();
    // the check finds faults
    expect(faultOfAck("message", { ok: true, data: {} })).toBeDefined();
    expect(faultOfAck("message", { ...ack, more: 1 })).toBeDefined();
  });

  it("describes the events that the server sends", async () => {
    const message = nextMessage(socket, "Hello");
    await socket.emitWithAck("message", { text: "Hello" });
    expect(faultOfEvent("message", await message)).toBeUndefined();
    const announcement = next(socket, "serverMessage");
    const { token } = await administrator(app);
    await request(app, "POST /api/chat/announcements", { token, body: { text: "Hi" } });
    expect(faultOfEvent("serverMessage", await announcement)).toBeUndefined();
    const bob = await register(app);
    const other = await connect(app, bob.token);
    const ended = next(other, "session:end");
    await request(app, "POST /api/auth/logout", { token: bob.token });
    expect(faultOfEvent("session.end", await ended)).toBeUndefined();
  });

  it("describes subscriptions, and the deliveries of each event", async () => {
    const event = "posts.created";
    const { token } = alice;
    const delivered = next(socket, "event");
    const ack = await socket.emitWithAck("subscribe", { event, params: { authorId: alice.id } });
    expect(ack.ok).toBe(true);
    await request(app, "POST /api/posts", { token, body: { title: "Hi", body: "There" } });
    expect(faultOfEvent("event.posts.created", await delivered)).toBeUndefined();
    expect(faultOfEvent("event.posts.removed", await delivered)).toBeDefined();
    for (const [name, sent, data] of [
      ["subscribe", "subscribe", { event }],
      ["subscribe", "subscribe", { event, params: { authorId: 5 } }],
      ["subscribe", "subscribe", { event: "posts.unknown" }],
      ["unsubscribe", "unsubscribe", { id: ack.data.id }],
      ["unsubscribe", "unsubscribe", {}],
    ] as const)
      expect(faultOfAck(name, await socket.emitWithAck(sent, data))).toBeUndefined();
    const faultOfRequest = (data: unknown) => faultOf("sockets", "client.subscribe", data);
    expect(faultOfRequest({ event, params: { authorId: alice.id } })).toBeUndefined();
    for (const wrong of [{ event: "posts.unknown" }, { event, params: { id: alice.id } }])
      expect(faultOfRequest(wrong)).toBeDefined();
    expect(document.operations).toHaveProperty(["send.event.posts.updated"]);
  });

  it("describes the error that refuses a handshake", async () => {
    for (const token of [undefined, "nonsense"])
      expect(faultOf("sockets", "connect_error", await refusal(app, token))).toBeUndefined();
  });

  it("has examples that fit", () => {
    for (const [channel, { messages }] of Object.entries<any>(document.channels))
      for (const [name, { examples = [] }] of Object.entries<any>(messages))
        for (const { payload } of examples)
          expect([name, faultOf(channel, name, payload)]).toEqual([name, undefined]);
  });
});
