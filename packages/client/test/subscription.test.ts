import { describe, expect, it } from "vitest";
import type { ClientError } from "../src/index.ts";
import { useChat } from "./helpers/clients.ts";

const context = useChat();

const post = (id: string) => ({
  id,
  authorId: "zoe",
  title: "Hi",
  createdAt: "2026-11-21T22:32:59.862Z",
  updatedAt: "2026-11-21T22:32:59.862Z",
  version: 1,
  excerpt: "There",
});

/** A client's subscription, what it has received, and why it has ended. */
async function subscribed(params = {}) {
  const client = await context.client();
  const seen: string[] = [];
  const ended: ClientError[] = [];
  const subscription = client.subscribe("posts.created", params, ({ id }) => seen.push(id));
  subscription.onEnd((error) => ended.push(error));
  return { client, subscription, seen, ended };
}

const requests = (event: string) =>
  context.chat.received.filter(([, one]) => one === event).map(([, , data]) => data);
const open = () => [...context.chat.subscriptions.values()].flatMap((all) => [...all.values()]);

describe("A subscription", () => {
  it("connects the client, sends the filter, and delivers events until it is ended", async () => {
    const { subscription, seen, ended } = await subscribed({ authorId: "zoe" });
    await subscription.ready;
    expect(requests("subscribe")).toEqual([
      { event: "posts.created", params: { authorId: "zoe" } },
    ]);
    for (const id of ["a", "b"]) context.chat.announce("posts.created", post(id));
    await expect.poll(() => seen).toEqual(["a", "b"]);
    subscription.unsubscribe();
    context.chat.announce("posts.created", post("c"));
    await expect.poll(open).toEqual([]);
    expect([seen, ended]).toEqual([["a", "b"], []]);
  });

  it("delivers each event to its own listener only", async () => {
    const { client, seen, subscription } = await subscribed();
    const others: string[] = [];
    const other = client.subscribe("posts.removed", {}, ({ id }) => others.push(id));
    await Promise.all([subscription.ready, other.ready]);
    context.chat.announce("posts.removed", { id: "r", authorId: "zoe" });
    context.chat.announce("posts.created", post("c"));
    await expect.poll(() => seen).toEqual(["c"]);
    expect(others).toEqual(["r"]);
  });

  it("delivers what arrives together with the acknowledgement", async () => {
    // in one piece with it, as the next packets of one turn of the server
    context.chat.onSubscribe = () =>
      queueMicrotask(() => {
        for (const id of ["a", "b"]) context.chat.announce("posts.created", post(id));
      });
    const { seen, subscription } = await subscribed();
    await subscription.ready;
    context.chat.announce("posts.created", post("c"));
    await expect.poll(() => seen).toEqual(["a", "b", "c"]);
  });

  it("is renewed after a reconnection, once", async () => {
    const { client, subscription, seen } = await subscribed();
    await subscription.ready;
    const connected = new Promise((resolve) => client.on("connected", resolve));
    context.chat.cut();
    await connected;
    await expect.poll(() => requests("subscribe").length).toBe(2);
    await expect.poll(() => open().length).toBe(1);
    context.chat.announce("posts.created", post("after"));
    await expect.poll(() => seen).toEqual(["after"]);
  });

  it("is requested again when the acknowledgement is lost, or the server fails", async () => {
    context.chat.fail("subscribe", "lose", { code: 503, type: "ServiceNotAvailable" });
    const { subscription } = await subscribed();
    await subscription.ready;
    expect(requests("subscribe")).toHaveLength(3);
  });

  it("ends when the server refuses it, or ends it", async () => {
    context.chat.fail("subscribe", { code: 403, type: "UserNotAuthorized" });
    const refused = await subscribed();
    await expect(refused.subscription.ready).rejects.toMatchObject({ type: "UserNotAuthorized" });
    expect(refused.ended).toMatchObject([{ code: 403, type: "UserNotAuthorized" }]);

    const { client, subscription, seen, ended } = await subscribed();
    await subscription.ready;
    context.chat.endSubscriptions("posts.created", "UserNotAuthorized");
    await expect.poll(() => ended).toMatchObject([{ code: 403, type: "UserNotAuthorized" }]);
    const before = requests("subscribe").length;
    const connected = new Promise((resolve) => client.on("connected", resolve));
    context.chat.cut();
    await connected;
    await client.send("read", { roomId: "lobby", seq: 1 });
    expect([requests("subscribe").length, seen]).toEqual([before, []]);
  });

  it("ends when the socket has too many, which a repetition would not change", async () => {
    context.chat.fail("subscribe", { code: 429, type: "TooManyRequests" });
    const { subscription } = await subscribed();
    await expect(subscription.ready).rejects.toMatchObject({ code: 429 });
    expect(requests("subscribe")).toHaveLength(1);
  });

  it("that is ended before its acknowledgement is ended on the server", async () => {
    const client = await context.client();
    const subscription = client.subscribe("posts.created", {}, () => {});
    context.chat.onSubscribe = () => subscription.unsubscribe();
    await expect(subscription.ready).rejects.toMatchObject({ type: "Closed" });
    await expect.poll(() => requests("unsubscribe").length).toBe(1);
    await expect.poll(open).toEqual([]);
  });

  it("ends when the user signs out or the client is closed", async () => {
    const first = await subscribed();
    await first.subscription.ready;
    await first.client.signOut();
    expect(first.ended).toMatchObject([{ type: "SignedOut" }]);
    const second = await subscribed();
    await second.subscription.ready;
    second.client.close();
    expect(second.ended).toMatchObject([{ type: "Closed" }]);
    await expect.poll(open).toEqual([]);
  });
});
