import { setTimeout as delay } from "node:timers/promises";
import { type Client, createClient, type ExecutionResult } from "graphql-ws";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { application, type User } from "../../fixtures/application.ts";
import { isMissing } from "../../helpers/app.ts";

interface Ended {
  code: number;
  reason: string;
}

describe.skipIf(isMissing)("A GraphQL subscription", () => {
  const app = application({ GRAPHQL: "true" });
  const clients: Client[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) void client.dispose();
  });

  /** A client of graphql-ws, and how its connection ends. */
  function connect(connectionParams: Record<string, unknown> | undefined) {
    let end: (ended: Ended) => void = () => {};
    const ended = new Promise<Ended>((resolve) => (end = resolve));
    const client = createClient({
      url: `${app.url.replace("http", "ws")}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      ...(connectionParams && { connectionParams }),
      on: { closed: (event) => end(event as Ended) },
      onNonLazyError: () => {},
      lazy: true,
    });
    clients.push(client);
    return { client, ended };
  }

  const subscribe = (
    client: Client,
    query: string,
    variables?: Record<string, unknown>,
  ): AsyncIterableIterator<ExecutionResult<Record<string, any>>> =>
    client.iterate({ query, ...(variables && { variables }) }) as never;

  /** Publishes until an event arrives: graphql-ws does not tell when a subscription has begun. */
  async function nextWhile<T>(next: Promise<T>, publish: () => Promise<unknown>): Promise<T> {
    const isSettled = next.then(
      () => true,
      () => true,
    );
    while (!(await Promise.race([isSettled, delay(20, false)]))) await publish();
    return next;
  }

  async function firstEvent(
    author: User,
    events: AsyncIterableIterator<ExecutionResult<Record<string, any>>>,
  ) {
    const post = { body: { title: "Hi", body: "There" } };
    const { value } = await nextWhile(events.next(), () => author.request("POST /api/posts", post));
    return value as ExecutionResult<Record<string, any>>;
  }

  const CREATED = "subscription { postsCreated { id title authorId } }";

  it("delivers each event with the selected fields", async () => {
    const alice = await app.register();
    const { client } = connect({ token: alice.token });
    const { data } = await firstEvent(alice, subscribe(client, CREATED));
    expect(data!.postsCreated).toEqual({
      id: expect.any(String),
      title: "Hi",
      authorId: alice.id,
    });
  });

  it("delivers only events with the values of its arguments", async () => {
    const [alice, bob] = [await app.register(), await app.register()];
    const { client } = connect({ authorization: `Bearer ${alice.token}` });
    const query = "subscription Of($id: ID) { postsCreated(authorId: $id) { authorId } }";
    const events = subscribe(client, query, { id: bob.id });
    const { value } = await nextWhile(events.next(), async () => {
      await alice.request("POST /api/posts", { body: { title: "No", body: "No" } });
      await bob.request("POST /api/posts", { body: { title: "Yes", body: "Yes" } });
    });
    expect(value.data.postsCreated).toEqual({ authorId: bob.id });
  });

  it("ends when the client ends it, and leaves nothing behind", async () => {
    const alice = await app.register();
    const { client } = connect({ token: alice.token });
    for (let count = 0; count < 150; count++) {
      const events = subscribe(client, CREATED);
      void events.next();
      await events.return!();
    }
    const { data } = await firstEvent(alice, subscribe(client, CREATED));
    expect(data!.postsCreated.authorId).toBe(alice.id);
  });

  it("ends with its connection when the session ends", async () => {
    const alice = await app.register();
    const { client, ended } = connect({ token: alice.token });
    const events = subscribe(client, CREATED);
    await firstEvent(alice, events);
    await alice.request("POST /api/auth/logout");
    expect(await ended).toMatchObject({ code: 4401, reason: "AccessTokenRevoked" });
  });

  it("ends with its connection when the roles of the user change, and the client may connect again", async () => {
    const alice = await app.register();
    const admin = await app.administrator();
    const { client, ended } = connect({ token: alice.token });
    const events = subscribe(client, CREATED);
    await firstEvent(alice, events);
    await admin.request("PUT /api/users/:id/roles", {
      path: { id: alice.id },
      body: { roles: ["user", "moderator"] },
    });
    expect(await ended).toMatchObject({ code: 4403, reason: "AccessTokenExpired" });
  });

  it("has the errors of HTTP", async () => {
    const alice = await app.register();
    const { client } = connect({ token: alice.token });
    const events = subscribe(client, 'subscription { postsCreated(authorId: "x") { id } }');
    const { value } = await events.next();
    expect(value.errors[0].extensions).toMatchObject({ code: 422, type: "VALIDATION_ERROR" });
  });
});
