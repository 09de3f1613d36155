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
