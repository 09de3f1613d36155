import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { groupPermissions } from "../../../lib/tokens/access-token.ts";
import PostsService from "../../../services/posts/posts.service.ts";
import { startService } from "../../fixtures/service.ts";

const ALICE = { sub: randomUUID(), permissions: groupPermissions(["posts:write"]) };
const BOB = { ...ALICE, sub: randomUUID() };
const MODERATOR = {
  sub: randomUUID(),
  permissions: groupPermissions(["posts:write", "posts:moderate"]),
};
const PAGE = { items: [], nextCursor: null };

describe("The posts service", () => {
  const posts = startService(PostsService, { as: ALICE, calls: { "users.posts": PAGE } });
  const write = () => posts.call("posts.create", { title: " Hi ", body: "There" });

  it("stores a post with its author and a trimmed title", async () => {
    const { id } = await write();
    expect(await posts.call("posts.get", { id })).toMatchObject({
      authorId: ALICE.sub,
      title: "Hi",
      version: 1,
    });
  });

  it("refuses a user without the permission, and a call without a user", async () => {
    const post = { title: "Hi", body: "There" };
    await expect(posts.call("posts.create", post, { as: { sub: "x" } })).rejects.toMatchObject({
      type: "UserNotAuthorized",
    });
    await expect(posts.call("posts.create", post, { as: null })).rejects.toMatchObject({
      type: "AccessTokenRequired",
    });
  });

  it("refuses a change by another user unless that user is a moderator", async () => {
    const { id } = await write();
    const change = { id, title: "Hello" };
    await expect(posts.call("posts.update", change, { as: BOB })).rejects.toMatchObject({
      type: "UserNotAuthorized",
    });
    expect(await posts.call("posts.update", change, { as: MODERATOR })).toMatchObject({
      title: "Hello",
      version: 2,
    });
  });

  it("refuses to remove another version than the current one", async () => {
    const { id } = await write();
    await expect(posts.call("posts.remove", { id, version: 2 })).rejects.toMatchObject({
      type: "PreconditionFailed",
    });
    await posts.call("posts.remove", { id, version: 1 });
    await expect(posts.call("posts.get", { id })).rejects.toMatchObject({ type: "NotFound" });
  });

  it("tells subscribers of a post that was created, changed or removed, without its body", async () => {
    const [created, updated, removed] = [
      posts.emitted("posts.created").length,
      posts.emitted("posts.updated").length,
      posts.emitted("posts.removed").length,
    ];
    // an excerpt has whole code points, as the one in a list has
    const body = "😀".repeat(300);
    const post = await posts.call("posts.create", { title: "Hi", body });
    const { body: _body, ...shown } = post;
    const excerpt = "😀".repeat(200);
    expect(posts.emitted("posts.created").slice(created)).toEqual([{ ...shown, excerpt }]);
    const { items } = await posts.call("posts.list", { limit: 1 });
    expect(items).toEqual([{ ...shown, excerpt }]);
    const changed = await posts.call("posts.update", { id: post.id, body: "New" });
    expect(posts.emitted("posts.updated").slice(updated)).toMatchObject([
      { id: post.id, version: 2, excerpt: "New", updatedAt: changed.updatedAt },
    ]);
    await posts.call("posts.remove", { id: post.id }, { as: MODERATOR });
    expect(posts.emitted("posts.removed").slice(removed)).toEqual([
      { id: post.id, authorId: ALICE.sub },
    ]);
  });

  it("tells subscribers nothing of a request that was refused, or repeated", async () => {
    const { id } = await write();
    const counts = () =>
      (["posts.created", "posts.updated", "posts.removed"] as const).map(
        (event) => posts.emitted(event).length,
      );
    const before = counts();
    const [refused, outdated] = [{ type: "UserNotAuthorized" }, { type: "PreconditionFailed" }];
    for (const as of [BOB, { sub: "x" }]) {
      await expect(posts.call("posts.update", { id, title: "No" }, { as })).rejects.toMatchObject(
        refused,
      );
      await expect(posts.call("posts.remove", { id }, { as })).rejects.toMatchObject(refused);
    }
    await expect(posts.call("posts.update", { id, title: "No", version: 9 })).rejects.toMatchObject(
      outdated,
    );
    await expect(posts.call("posts.remove", { id, version: 9 })).rejects.toMatchObject(outdated);
    expect(counts()).toEqual(before);
    const meta = { idempotencyKey: randomUUID() };
    const create = () => posts.call("posts.create", { title: "Once", body: "There" }, { meta });
    const [first, second] = [await create(), await create()];
    expect(second).toEqual(first);
    expect(posts.emitted("posts.created").slice(before[0])).toMatchObject([{ id: first.id }]);
  });

  it("asks the users service for a user's posts", async () => {
    expect(await posts.call("posts.userPosts", { id: ALICE.sub })).toEqual(PAGE);
    expect(posts.callsOf("users.posts")).toEqual([{ id: ALICE.sub }]);
  });

  it("fails a test that does not expect its call of another service", async () => {
    await expect(posts.call("posts.createUser", {})).rejects.toThrow(
      "'posts' calls 'users.create', whose response the test does not state.",
    );
  });
});
