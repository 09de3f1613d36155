import { defineContract } from "../../lib/contract/contract.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/page.ts";

const TITLE = { type: "string", min: 1, max: 200, trim: true } as const;
const BODY = { type: "string", min: 1, max: 20_000 } as const;

/** The length of an excerpt, in characters (code points). */
export const EXCERPT_LENGTH = 200;

const COMMON = {
  id: "uuid",
  authorId: "uuid",
  title: "string",
  createdAt: "string",
  updatedAt: "string",
  /** Counts the changes. */
  version: "number",
} as const;

const POST = { type: "object", props: { ...COMMON, body: "string" } } as const;

/** A post in a list. The body is left out: a hundred of them are up to 6 MB. */
export const POST_SUMMARY = {
  type: "object",
  props: { ...COMMON, excerpt: { type: "string", max: EXCERPT_LENGTH } },
} as const;

/** The version that is to be changed; another one is left alone. */
const VERSION = { type: "number", integer: true, min: 1, optional: true } as const;

const ID = "965a8b1b-0f3e-4c55-8a4e-6b3f4a3f9d20";

const COMMON_EXAMPLE = {
  id: ID,
  authorId: "8cd6a21f-57e4-4d0a-9c8f-2f1b6f0a7c11",
  title: "Hi",
  createdAt: "2026-11-21T22:32:59.862Z",
  updatedAt: "2026-11-21T22:32:59.862Z",
  version: 1,
};

const POST_EXAMPLE = { ...COMMON_EXAMPLE, body: "There" };

export const POSTS_EXAMPLE = {
  items: [{ ...COMMON_EXAMPLE, excerpt: "There" }],
  nextCursor: null,
};

export const contract = defineContract({
  name: "posts",
  permissions: {
    write: "Write posts, change and remove one's own.",
    moderate: "Change and remove the posts of others.",
  },
  actions: {
    list: {
      description: `Everybody's posts, one author's, or those that a search finds, newest first. Each has the first ${EXCERPT_LENGTH} characters of its body as \`excerpt\`; posts.get returns the whole body.`,
      restricted: ["api", "users"],
      auth: "none",
      rest: "GET /api/posts",
      params: {
        $$strict: true,
        /** Words, as a search engine takes them: `nats -kafka "event bus"`. */
        query: "string|optional|max:200",
        authorId: "uuid|optional",
        ...PAGE_PARAMS,
      },
      result: pageOf(POST_SUMMARY),
      example: { params: { limit: 20 }, result: POSTS_EXAMPLE },
    },
    get: {
      description: "One post.",
      restricted: ["api"],
      auth: "none",
      rest: "GET /api/posts/:id",
      version: "version",
      params: { $$strict: true, id: "uuid" },
      result: POST,
      example: { params: { id: ID }, result: POST_EXAMPLE },
    },
    create: {
      description: "Writes a post.",
      restricted: ["api"],
      auth: "required",
      permissions: "posts:write",
      rest: "POST /api/posts",
      status: 201,
      idempotent: "atomic",
      location: "/api/posts/:id",
      params: { $$strict: true, title: TITLE, body: BODY },
      result: POST,
      example: { params: { title: "Hi", body: "There" }, result: POST_EXAMPLE },
    },
    update: {
      description: "Changes one's own post; another's with posts:moderate.",
      restricted: ["api"],
      auth: "required",
      permissions: "posts:write",
      rest: "PUT /api/posts/:id",
      version: "version",
      params: {
        $$strict: true,
        id: "uuid",
        title: { ...TITLE, optional: true },
        body: { ...BODY, optional: true },
        version: VERSION,
      },
      result: POST,
      example: {
        params: { id: ID, title: "Hello" },
        result: {
          ...POST_EXAMPLE,
          title: "Hello",
          updatedAt: "2026-11-21T22:40:12.004Z",
          version: 2,
        },
      },
    },
    remove: {
      description: "Removes one's own post; another's with posts:moderate.",
      restricted: ["api"],
      auth: "required",
      permissions: "posts:write",
      rest: "DELETE /api/posts/:id",
      version: "version",
      params: { $$strict: true, id: "uuid", version: VERSION },
      result: null,
      example: { params: { id: ID } },
    },
    userPosts: {
      description: "The guard's tour: posts may call users.posts, so this works.",
      restricted: null,
      auth: "none",
      params: { $$strict: true, id: "uuid|optional" },
      result: pageOf(POST_SUMMARY),
    },
    createUser: {
      description: "The guard's tour: users.create is for api alone, so this is refused.",
      restricted: null,
      auth: "none",
      params: {},
      result: null,
    },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    posts: typeof contract;
  }
}
