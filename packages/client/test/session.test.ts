import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  type Client,
  ClientError,
  createClient,
  memoryStorage,
  type Storage,
} from "../src/index.ts";
import { FakeApi } from "./helpers/api.ts";

const REFRESH = "/api/auth/refresh";

let api: FakeApi;
let url: string;
let clients: Client[];

beforeEach(async () => {
  api = new FakeApi();
  url = await api.start();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await api.stop();
});

/** A tab: its own client on the shared storage. */
function tab(storage: Storage, options: Partial<Parameters<typeof createClient>[0]> = {}): Client {
  const client = createClient({ url, storage, ...options });
  clients.push(client);
  return client;
}

async function signedIn(storage = memoryStorage()) {
  const client = tab(storage);
  await client.signIn("alice", "a good password");
  return { client, storage };
}

const stored = (storage: Storage) => JSON.parse(storage.getItem("citadel")!);

describe("A call", () => {
  it("sends the parameters in the path, the query and the body", async () => {
    const { client } = await signedIn();
    expect(
      await client.call("chat.rooms", { limit: 5, cursor: undefined, public: true }),
    ).toMatchObject({
      method: "GET",
      path: "/api/chat/rooms?limit=5&public=true",
      user: "alice",
    });
    expect(
      await client.call("chat.edit", { id: "a/b", messageId: "1", text: "Hello" }),
    ).toMatchObject({
      method: "PATCH",
      path: "/api/chat/rooms/a%2Fb/messages/1",
      body: { text: "Hello" },
    });
    expect(await client.call("chat.rooms")).toMatchObject({ path: "/api/chat/rooms" });
  });

  it("has the types of the contracts", () => {
    const client = createClient({ url });
    expectTypeOf(client.call<"chat.read">).returns.resolves.toEqualTypeOf<null>();
    expectTypeOf<ReturnType<typeof client.call<"chat.room">>>().resolves.toHaveProperty("unread");
    // @ts-expect-error there is no such operation
    void (() => client.call("chat.unknown"));
    // @ts-expect-error `id` is missing
    void (() => client.call("chat.room"));
  });

  it("fails with the error object of the server", async () => {
    const client = tab(memoryStorage());
    const refused = client.signIn("alice", "wrong");
    await expect(refused).rejects.toBeInstanceOf(ClientError);
    await expect(refused).rejects.toMatchObject({ code: 401, type: "InvalidCredentials" });
    api.fail("/api/auth/login", { status: 429, retryAfter: 7 });
    await expect(client.signIn("alice", "right")).rejects.toMatchObject({
      code: 429,
      retryAfter: 7,
    });
    api.fail("/api/auth/login", "lose the request");
    await expect(client.signIn("alice", "right")).rejects.toMatchObject({
      code: 0,
      type: "Unreachable",
    });
  });

  it("is sent again with a new token after the server has refused the old one", async () => {
    const { client, storage } = await signedIn();
    api.expire(stored(storage).access);
    expect(await client.call("chat.rooms")).toMatchObject({ user: "alice" });
    expect(api.count(REFRESH)).toBe(1);
  });

  it("does not wait for the renewal of a token that is still valid", async () => {
    const storage = memoryStorage();
    const { client } = await signedIn(storage);
    storage.setItem("citadel", JSON.stringify({ ...stored(storage), renewAt: 0 }));
    const hold = Promise.withResolvers<void>();
    api.beforeRefresh = () => hold.promise;
    expect(await client.call("chat.rooms")).toMatchObject({ user: "alice" });
    hold.resolve();
    await vi.waitFor(() => expect(stored(storage).renewAt).toBeGreaterThan(Date.now()));
    expect(api.count(REFRESH)).toBe(1);
  });

  it("without a user is refused by the server", async () => {
    await expect(tab(memoryStorage()).call("chat.rooms")).rejects.toMatchObject({
      type: "AccessTokenRequired",
    });
  });
});

describe("Tabs with one storage", () => {
  it.each([
    ["the Web Locks API", undefined],
    ["no lock at all", { request: <T>(_name: string, run: () => Promise<T>) => run() }],
  ])("keep the session when all refresh at once, with %s", async (_what, locks) => {
    const { storage } = await signedIn();
    const tabs = Array.from({ length: 20 }, () => tab(storage, { locks }));
    for (let round = 1; round <= 5; round++) {
      api.expireAll();
      const all = await Promise.all(
        tabs.flatMap((one) => [one.call("chat.rooms"), one.call("chat.blocks")]),
      );
      expect(all).toHaveLength(40);
      if (!locks) expect(api.count(REFRESH)).toBe(round);
    }
  });

  it("of one process send one refresh without the Web Locks API", async () => {
    const storage = memoryStorage();
    vi.stubGlobal("navigator", {});
    try {
      const { client } = await signedIn(storage);
      const tabs = [client, ...Array.from({ length: 20 }, () => tab(storage))];
      api.expireAll();
      await Promise.all(tabs.map((one) => one.call("chat.rooms")));
      expect(api.count(REFRESH)).toBe(1);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("repeat a refresh whose response was lost, also in another tab", async () => {
    const { client, storage } = await signedIn();
    const other = tab(storage);
    api.expireAll();
    api.fail(REFRESH, "lose the response", { status: 503 }, "lose the request");
    const all = await Promise.all([client.call("chat.rooms"), other.call("chat.rooms")]);
    expect(all).toMatchObject([{ user: "alice" }, { user: "alice" }]);
  });

  it("keep the session when the tab that refreshes dies before it has the response", async () => {
    const { storage } = await signedIn();
    const dying = tab(storage, {
      locks: { request: (_name, run) => run() },
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        return (input as URL).pathname === REFRESH ? new Promise(() => {}) : response;
      },
    });
    api.expireAll();
    void dying.call("chat.rooms");
    await vi.waitFor(() => expect(api.count(REFRESH)).toBe(1));
    expect(await tab(storage).call("chat.rooms")).toMatchObject({ user: "alice" });
    expect(api.count(REFRESH)).toBe(2);
  });

  it("learn from the browser that another tab has signed out or in", async () => {
    const listeners: (() => void)[] = [];
    vi.stubGlobal("addEventListener", (_event: string, listener: () => void) =>
      listeners.push(listener),
    );
    try {
      const { client, storage } = await signedIn();
      const other = tab(storage);
      const events: unknown[] = [];
      other.on("signedOut", ({ error }) => events.push(["out", error]));
      other.on("signedIn", ({ username }) => events.push(["in", username]));
      await client.signOut();
      for (const listener of listeners) listener();
      await client.signIn("bob", "a good password");
      for (const listener of listeners) listener();
      expect(events).toEqual([
        ["out", undefined],
        ["in", "bob"],
      ]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("are all signed out when the session has ended", async () => {
    const { client, storage } = await signedIn();
    const other = tab(storage);
    const events: unknown[] = [];
    for (const one of [client, other]) one.on("signedOut", ({ error }) => events.push(error?.type));
    api.end("alice");
    const calls = await Promise.allSettled([client.call("chat.rooms"), other.call("chat.rooms")]);
    expect(calls.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(events).toHaveLength(2);
    expect(events).toContain("RefreshTokenInvalid");
    expect(storage.getItem("citadel")).toBeNull();
    expect(client.user).toBeUndefined();
  });

  it("forget the response to a refresh if the user has signed out meanwhile", async () => {
    const { client, storage } = await signedIn();
    const hold = Promise.withResolvers<void>();
    api.beforeRefresh = () => hold.promise;
    api.expireAll();
    const call = client.call("chat.rooms");
    await vi.waitFor(() => expect(api.count(REFRESH)).toBe(1));
    storage.removeItem("citadel");
    hold.resolve();
    await expect(call).rejects.toMatchObject({ type: "SignedOut" });
    expect(storage.getItem("citadel")).toBeNull();
  });

  it("do not repeat a call as another user who has signed in meanwhile", async () => {
    const { client, storage } = await signedIn();
    api.expireAll();
    api.beforeRefresh = async () => {
      await tab(storage).signIn("bob", "a good password");
    };
    await expect(client.call("chat.read", { id: "lobby", seq: 1 })).rejects.toMatchObject({
      type: "AccessTokenExpired",
    });
    expect(client.user?.username).toBe("bob");
  });
});

describe("A refresh", () => {
  it("that fails for the server's reasons is repeated, and signs nobody out", async () => {
    const { client, storage } = await signedIn();
    const signedOut = vi.fn<(event: object) => void>();
    client.on("signedOut", signedOut);
    api.expireAll();
    api.fail(REFRESH, { status: 503 }, { status: 429, retryAfter: 0.01 });
    expect(await client.call("chat.rooms")).toMatchObject({ user: "alice" });
    api.expireAll();
    api.fail(REFRESH, ...Array.from({ length: 5 }, () => ({ status: 502, retryAfter: 0.01 })));
    await expect(client.call("chat.rooms")).rejects.toMatchObject({ code: 502 });
    expect(signedOut).not.toHaveBeenCalled();
    expect(storage.getItem("citadel")).not.toBeNull();
    expect(await client.call("chat.rooms")).toMatchObject({ user: "alice" });
  });

  it("of a stolen and used token ends the session", async () => {
    const { client, storage } = await signedIn();
    const signedOut = vi.fn<(event: object) => void>();
    client.on("signedOut", signedOut);
    await fetch(url + REFRESH, {
      method: "POST",
      body: JSON.stringify({
        refresh_token: stored(storage).refresh,
        idempotency_key: "of the thief",
      }),
    });
    api.expireAll();
    await expect(client.call("chat.rooms")).rejects.toMatchObject({ type: "RefreshTokenReused" });
    expect(signedOut).toHaveBeenCalledOnce();
  });
});

describe("Signing out", () => {
  it("ends the session and forgets the tokens", async () => {
    const { client, storage } = await signedIn();
    const signedOut = vi.fn<(event: object) => void>();
    client.on("signedOut", signedOut);
    await client.signOut();
    expect(api.requests).toContain("POST /api/auth/logout");
    expect(storage.getItem("citadel")).toBeNull();
    expect(signedOut.mock.calls).toEqual([[{ error: undefined }]]);
  });

  it("forgets the tokens even if the server is unreachable", async () => {
    const { client } = await signedIn();
    api.fail("/api/auth/logout", "lose the request");
    await expect(client.signOut()).rejects.toMatchObject({ type: "Unreachable" });
    expect(client.user).toBeUndefined();
  });
});

it("A registration signs in, and is not another one when it is repeated", async () => {
  const client = tab(memoryStorage());
  const account = { username: "carol", email: "carol@example.com", password: "a good password" };
  expect(await client.register(account)).toMatchObject({ username: "carol" });
  expect(client.user).toMatchObject({ username: "carol" });
});
