import { defineContract } from "../../lib/contract/contract.ts";
import { queueActions } from "../../lib/contract/queue-actions.ts";
import { route } from "../../lib/contract/route.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/contract/schemas/page.ts";
import { VERSION } from "../../lib/contract/schemas/version.ts";
import { BODY, EXCERPT_LENGTH, POST, POST_EVENT, POST_SUMMARY, TITLE } from "./posts.schemas.ts";

/** Posts are public. */
const TO_READERS = {
  auth: "required",
  permissions: null,
  params: { authorId: "uuid|optional" },
  visible: "all",
} as const;

export const contract = defineContract({
  name: "posts",
  permissions: {
    write: { title: "Posts: Write", description: "Create posts, and change and remove one's own." },
    moderate: {
      title: "Posts: Moderate",
      description: "Change and remove the posts of all users.",
    },
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
  metrics: {
    "posts.created.total": { type: "counter", description: "Posts that users created." },
  },
  actions: {
    ...queueActions("posts"),
    list: route({
      rest: "GET /api/posts",
      description: `The posts of all users, of one author, or those that match a search, the newest first. Each has the first ${EXCERPT_LENGTH} characters of its body as \`excerpt\`; posts.get returns the whole body.`,
      restricted: ["api", "users"],
      auth: "none",
      params: {
        /** Words in the syntax of a search engine: `nats -kafka "event bus"`. */
        query: "string|optional|max:200",
        authorId: "uuid|optional",
        ...PAGE_PARAMS,
      },
      result: pageOf(POST_SUMMARY),
    }),
    get: route({
      rest: "GET /api/posts/:id",
      description: "A post.",
      auth: "none",
      etag: "version",
      params: { id: "uuid" },
      result: POST,
    }),
    create: route({
      rest: "POST /api/posts",
      description: "Creates a post.",
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
      description: "Changes the user's own post, or any post with posts:moderate.",
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
      description: "Removes the user's own post, or any post with posts:moderate.",
      auth: "required",
      permissions: "posts:write",
      etag: "version",
      params: { id: "uuid", version: VERSION },
      result: null,
    }),
    userPosts: {
      description: "For the guard's tour: posts may call users.posts, so this works.",
      restricted: null,
      auth: "none",
      params: { id: "uuid|optional" },
      result: pageOf(POST_SUMMARY),
    },
    createUser: {
      description: "For the guard's tour: only api may call users.create, so this is refused.",
      restricted: null,
      auth: "none",
      params: {},
      result: null,
    },
  },
  emits: {
    "posts.created": {
      description: "A user has created a post.",
      params: POST_EVENT,
      subscribe: TO_READERS,
    },
    "posts.updated": {
      description: "A post was changed.",
      params: POST_EVENT,
      subscribe: TO_READERS,
    },
    "posts.removed": {
      description: "A post was removed.",
      params: { id: "uuid", authorId: "uuid" },
      subscribe: TO_READERS,
    },
  },
  jobs: {
    purge: {
      description: "Deletes stored responses that are too old to be repeated.",
      params: {},
      schedule: "*/10 * * * *",
      // the next run deletes what is left
      retry: { limit: 0 },
    },
  },
});

declare module "../../lib/contract/contract.ts" {
  interface Contracts {
    posts: typeof contract;
  }
}
