import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { contract } from "../../services/api/api.contract.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { graphql } from "../helpers/graphql.ts";
import { tokenFor } from "../helpers/tokens.ts";

const CREATED = "subscription { postsCreated { id } }";

interface Message {
  type: string;
  id?: string;
  payload?: any;
}

/** A connection to `/graphql` that sends what it is told to. */
async function open(app: { url: string }, headers: Record<string, string> = {}, query = "") {
  const url = `${app.url.replace("http", "ws")}/graphql${query}`;
  const socket = new WebSocket(url, "graphql-transport-ws", { headers });
  const received: Message[] = [];
  socket.on("message", (data) => received.push(JSON.parse((data as Buffer).toString()) as Message));
  const closed = once(socket, "close").then(([code, reason]) => [code, String(reason)]);
  await Promise.race([
    once(socket, "open"),
    once(socket, "unexpected-response").then(([, response]) => {
      throw new Error(`refused with ${response.statusCode}`);
    }),
  ]);
  const send = (message: Message) => socket.send(JSON.stringify(message));
  return { socket, received, closed, send };
}

describe.skipIf(isMissing)("A client of GraphQL's subscriptions", () => {
  const app = application({ GRAPHQL: "true", RATE_LIMIT_SOCKET: "300/10" });
  const signedIn = async (user: User) => {
    const connection = await open(app);
    connection.send({ type: "connection_init", payload: { token: user.token } });
    await expect.poll(() => connection.received).toEqual([{ type: "connection_ack" }]);
    connection.received.length = 0;
    return connection;
  };

  it.each([
    ["no token", undefined, 4401, "AccessTokenRequired"],
    ["an empty token", { token: "" }, 4401, "AccessTokenRequired"],
    ["a token that is no text", { token: { $ne: null } }, 4401, "AccessTokenRequired"],
    ["garbage", { token: "x.y.z" }, 4401, "AccessTokenVerificationFailed"],
    [
      "two tokens",
      { token: "a", authorization: "Bearer b" },
      4401,
      "AccessTokenVerificationFailed",
    ],
  ])("with %s is disconnected", async (_what, payload, code, type) => {
    const { send, closed, received } = await open(app);
    send({ type: "connection_init", ...(payload && { payload }) });
    expect(await closed).toEqual([code, type]);
    expect(received).toEqual([]);
  });

  it("with an expired token is disconnected", async () => {
    const now = Math.floor(Date.now() / 1_000);
    const { send, closed } = await open(app);
    send({
      type: "connection_init",
      payload: { token: tokenFor(app, { iat: now - 700, exp: now - 100 }) },
    });
    expect(await closed).toEqual([4403, "AccessTokenExpired"]);
  });

  it("with the token of another tenant is disconnected", async () => {
    const { send, closed } = await open(app);
    send({ type: "connection_init", payload: { token: tokenFor(app, { tenantId: "another" }) } });
    expect(await closed).toEqual([4401, "AccessTokenVerificationFailed"]);
  });

  it("that subscribes before it is authenticated is disconnected, and no handler runs", async () => {
    const { send, closed } = await open(app);
    send({ type: "subscribe", id: "1", payload: { query: CREATED } });
    expect((await closed)[0]).toBe(4401);
  });

  it("of a page of another origin is refused", async () => {
    await expect(open(app, { origin: "https://evil.example" })).rejects.toThrow("refused with 403");
  });

  it.each([
    "query { postsList { nextCursor } }",
    'mutation { postsCreate(title: "a", body: "b") { id } }',
  ])("runs no %s", async (query) => {
    const { send, received, socket } = await signedIn(await app.register());
    send({ type: "subscribe", id: "1", payload: { query } });
    await expect.poll(() => received.length).toBe(1);
    expect(received[0]).toMatchObject({
      type: "error",
      payload: [{ extensions: { type: "BadRequest" } }],
    });
    socket.close();
  });

  it("gets no subscription over HTTP", async () => {
    const { token } = await app.register();
    const { body, types } = await graphql(app, CREATED, { token });
    expect(types).toEqual(["BadRequest"]);
    expect(body.data).toBeUndefined();
  });

  it.each([
    ["two fields", "subscription { a: postsCreated { id } b: postsRemoved { id } }"],
    ["an unknown field", "subscription { sessionsRevoked { sid } }"],
    ["a prototype's name", "subscription { __proto__ { id } }"],
    ["an event among services", "subscription { gatewayConsumed { gateway } }"],
    ["many aliases", `subscription { ${"postsCreated { id } ".repeat(60)} }`],
    ["too many tokens", `subscription { postsCreated { ${"id ".repeat(20_000)} } }`],
    ["no syntax", "subscription {"],
  ])("gets an error for %s", async (_what, query) => {
    const { send, received, socket } = await signedIn(await app.register());
    send({ type: "subscribe", id: "1", payload: { query } });
    await expect.poll(() => received.length).toBe(1);
    expect(received[0]!.type).toBe("error");
    expect(JSON.stringify(received)).not.toContain("node_modules");
    socket.close();
  });

  it("has a limited number of subscriptions", async () => {
    const { send, received, socket } = await signedIn(await app.register());
    const { max } = contract.limits.subscriptionsOfSocket;
    for (let id = 0; id <= max; id++)
      send({ type: "subscribe", id: String(id), payload: { query: CREATED } });
    await expect.poll(() => received.length).toBe(2);
    expect(received).toMatchObject([
      {
        type: "next",
        id: String(max),
        payload: { errors: [{ extensions: { type: "TooManyRequests" } }] },
      },
      { type: "complete", id: String(max) },
    ]);
    socket.close();
  });

  it("that sends too many messages is disconnected", async () => {
    const { send, closed } = await signedIn(await app.register());
    for (let count = 0; count < 400; count++) send({ type: "ping" });
    expect(await closed).toEqual([1013, "TooManyRequests"]);
  });

  it("that sends a message of more than 100 KB is disconnected", async () => {
    const { socket, closed } = await open(app);
    socket.send("x".repeat(contract.limits.packetBytes.max + 1));
    expect((await closed)[0]).toBe(1009);
  });
});

describe.skipIf(isMissing)("A client address", () => {
  const app = application({ GRAPHQL: "true", MAX_SOCKETS_ADDRESS: "2" });

  it("has a limited number of connections, whatever their URLs say", async () => {
    const first = [await open(app), await open(app, {}, "?sid=x")];
    for (const query of ["", "?sid=x"])
      await expect(open(app, {}, query)).rejects.toThrow("refused with 429");
    for (const { socket } of first) socket.close();
  });
});

describe.skipIf(isMissing)("A gateway without GraphQL", () => {
  const app = application({ GRAPHQL: "false" });

  it("has no WebSocket at /graphql", async () => {
    await expect(open(app)).rejects.toThrow("refused with 404");
  });
});

describe.skipIf(isMissing)("GraphQL that is for staff only", () => {
  const app = application({ GRAPHQL: "true", GUARDED_ROUTES: '{"/graphql":["STAFF"]}' });

  it("disconnects other users", async () => {
    const { token } = await app.register();
    const { send, closed } = await open(app);
    send({ type: "connection_init", payload: { token } });
    expect(await closed).toEqual([4401, "UserNotAuthorized"]);
  });

  it("refuses the operations of other users, and runs those of staff", async () => {
    const query = "{ postsList { nextCursor } }";
    const { token } = await app.register();
    const refused = await graphql(app, query, { token });
    expect([refused.status, refused.body.type]).toEqual([403, "UserNotAuthorized"]);
    const { token: staff } = await app.administrator();
    expect((await graphql(app, query, { token: staff })).body.data).toBeDefined();
  });
});
