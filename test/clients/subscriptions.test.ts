import { createClient } from "@citadel/client";
import { io } from "socket.io-client";
import { beforeAll, describe, expect, it } from "vitest";
import type { Gateways } from "../../services/api/gateways.ts";
import { application, type User } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";

describe.skipIf(isMissing)("A subscription of @citadel/client", () => {
  const app = application();
  let author: User;

  beforeAll(async () => {
    author = await app.register("alice");
  });

  const signedIn = async () => {
    const { username, password } = await app.register("bob");
    const client = createClient({ url: app.url, io });
    await client.signIn(username, password);
    return client;
  };
  const write = async (by: User, title: string) =>
    (await by.request("POST /api/posts", { body: { title, body: "There" } })).body;

  it("delivers the posts of one author, after a reconnection, too", async () => {
    const client = await signedIn();
    const titles: string[] = [];
    const subscription = client.subscribe("posts.created", { authorId: author.id }, ({ title }) =>
      titles.push(title),
    );
    await subscription.ready;
    await write(await app.register("carol"), "Another author's");
    await write(author, "First");
    await expect.poll(() => titles).toEqual(["First"]);
    const connected = new Promise((resolve) => client.on("connected", resolve));
    const { sockets } = (app.service("api") as unknown as Gateways).io.of("/");
    for (const socket of sockets.values()) socket.conn.close();
    await connected;
    // the second one is acknowledged after the renewed one: a socket's events are handled in order
    await client.subscribe("posts.removed", {}, () => {}).ready;
    const { id } = await write(author, "Second");
    await expect.poll(() => titles).toEqual(["First", "Second"]);
    const removed: string[] = [];
    const removals = client.subscribe("posts.removed", {}, (post) => removed.push(post.id));
    await removals.ready;
    subscription.unsubscribe();
    await author.request("DELETE /api/posts/:id", { path: { id } });
    await expect.poll(() => removed).toEqual([id]);
    client.close();
  });

  it("is refused with the server's error", async () => {
    const client = await signedIn();
    const subscription = client.subscribe("posts.created", { authorId: "nobody" }, () => {});
    const error = new Promise((resolve) => subscription.onEnd(resolve));
    await expect(subscription.ready).rejects.toMatchObject({
      code: 422,
      type: "VALIDATION_ERROR",
      data: [{ field: "authorId" }],
    });
    expect(await error).toMatchObject({ type: "VALIDATION_ERROR" });
    client.close();
  });
});
