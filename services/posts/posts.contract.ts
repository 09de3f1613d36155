import { defineContract } from "../../lib/contract/contract.ts";
import { route } from "../../lib/contract/route.ts";
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

export const contract = defineContract({
  name: "posts",
  permissions: {
    write: "Write posts, change and remove one's own.",
    moderate: "Change and remove the posts of others.",
  },
  limits: {
    searches: {
      counts: "running searches by text, which may be slow",
      per: "node",
      max: 3,
      exceeded: "the search waits",
    },
    waitingSearches: { counts: "waiting searches by text", per: "node", max: 100 },
  },
  actions: {
    list: route({
      rest: "GET /api/posts",
      description: `Everybody's posts, one author's, or those that a search finds, newest first. Each has the first ${EXCERPT_LENGTH} characters of its body as \`excerpt\`; posts.get returns the whole body.`,
      restricted: ["api", "users"],
      auth: "none",
      params: {
        /** Words, as a search engine takes them: `nats -kafka "event bus"`. */
        query: "string|optional|max:200",
        authorId: "uuid|optional",
        ...PAGE_PARAMS,
      },
      result: pageOf(POST_SUMMARY),
    }),
    get: route({
      rest: "GET /api/posts/:id",
      description: "One post.",
      auth: "none",
      etag: "version",
      params: { id: "uuid" },
      result: POST,
    }),
    create: route({
      rest: "POST /api/posts",
      description: "Writes a post.",
      auth: "required",
      permissions: "posts:write",
      status: 201,
      idempotent: "atomic",
      location: "/api/posts/:id",
      params: { title: TITLE, body: BODY },
      result: POST,
    }),
    update: route({
      rest: "PUT /api/posts/:id",
      description: "Changes one's own post; another's with posts:moderate.",
      auth: "required",
      permissions: "posts:write",
      etag: "version",
      params: {
        id: "uuid",
        title: { ...TITLE, optional: true },
        body: { ...BODY, optional: true },
        version: VERSION,
      },
      result: POST,
    }),
    remove: route({
      rest: "DELETE /api/posts/:id",
      description: "Removes one's own post; another's with posts:moderate.",
      auth: "required",
      permissions: "posts:write",
      etag: "version",
      params: { id: "uuid", version: VERSION },
      result: null,
    }),
    userPosts: {
      description: "The guard's tour: posts may call users.posts, so this works.",
      restricted: null,
      auth: "none",
      params: { id: "uuid|optional" },
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
