import { beforeAll, describe, expect, it } from "vitest";
import { EXCERPT_LENGTH } from "../../services/posts/posts.schemas.ts";
import type PostsService from "../../services/posts/posts.service.ts";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { callFrom } from "../helpers/call.ts";
import { type Person, register, request } from "../helpers/http.ts";

/** The longest body of a post, in characters of three bytes. */
const BODY = "漢".repeat(20_000);
/** The largest title and excerpt: each character takes six bytes in JSON. */
const WIDE = "\u0001".repeat(EXCERPT_LENGTH);

describe.skipIf(isMissing)("Requests without a token", () => {
  let app: App;
  let alice: Person;
  let newest: string;

  beforeAll(async () => {
    app = await sharedApp();
    alice = await register(app, "alice");
    const { posts } = app.service("posts") as PostsService;
    for (let at = 0; at < 99; at++)
      await posts.insert(alice.id, { title: WIDE, body: `${WIDE} and more` });
    newest = (await posts.insert(alice.id, { title: WIDE, body: BODY })).id;
  });

  const lists = () => ["GET /api/posts?limit=100", `GET /api/users/${alice.id}/posts?limit=100`];

  it("for lists of posts get excerpts, and for one post the whole body", async () => {
    for (const route of lists()) {
      const { body } = await request(app, route);
      expect(body.items).toHaveLength(100);
      expect(JSON.stringify(body).length).toBeLessThan(300_000);
      // posts of the same millisecond are sorted by id
      const long = body.items.find(({ id }: { id: string }) => id === newest);
      expect(long).toMatchObject({ authorId: alice.id, title: WIDE });
      expect(long.excerpt).toBe(BODY.slice(0, EXCERPT_LENGTH));
      expect(
        body.items.filter(({ excerpt }: { excerpt: string }) => excerpt === WIDE),
      ).toHaveLength(99);
      for (const item of body.items) expect(item).not.toHaveProperty("body");
    }
    expect((await request(app, `GET /api/posts/${newest}`)).body.body).toBe(BODY);
    const inside = await callFrom(app, "posts", "posts.userPosts", { id: alice.id });
    expect(inside.items[0]).not.toHaveProperty("body");
  });

  it("get excerpts that never split a character", async () => {
    const { body } = await request(app, "POST /api/posts", {
      token: alice.token,
      body: { title: "Faces", body: "😀".repeat(EXCERPT_LENGTH + 1) },
    });
    const { items } = (await request(app, "GET /api/posts?limit=1")).body;
    expect(items).toMatchObject([{ id: body.id, excerpt: "😀".repeat(EXCERPT_LENGTH) }]);
  });

  it("cost their address more points for a large response", async () => {
    const left = async () =>
      Number((await request(app, "GET /nothing")).headers.get("ratelimit-remaining"));
    const costOf = async (route: string) => {
      const before = await left();
      const response = await fetch(app.url + route.split(" ")[1], {
        headers: { "accept-encoding": "identity" },
      });
      const bytes = Buffer.byteLength(await response.text());
      // the second request costs a point as well
      return { cost: before - (await left()) - 1, bytes };
    };
    const small = await costOf(`GET /api/posts/${newest}`);
    expect(small.bytes).toBeLessThan(65_536);
    expect(small.cost).toBe(1);
    for (const route of lists()) {
      const large = await costOf(route);
      expect(large.bytes).toBeGreaterThan(200_000);
      expect(large.cost).toBe(1 + Math.floor(large.bytes / 65_536));
    }
  });
});
