import { defineContract } from "../../lib/contract.ts";
import { PAGE_PARAMS, pageOf } from "../../lib/page.ts";

const TITLE = { type: "string", min: 1, max: 200, trim: true } as const;
const BODY = { type: "string", min: 1, max: 20_000 } as const;

export const POST = {
  type: "object",
  props: {
    id: "uuid",
    authorId: "uuid",
    title: "string",
    body: "string",
    createdAt: "string",
    updatedAt: "string",
  },
} as const;

export const contract = defineContract({
  name: "posts",
  permissions: {
    write: "Write posts, change and remove one's own.",
    moderate: "Change and remove the posts of others.",
  },
  actions: {
    list: {
      description: "Everybody's posts, or one author's, newest first.",
      restricted: ["api", "users"],
      auth: "none",
      rest: "GET /api/posts",
      params: { $$strict: true, authorId: "uuid|optional", ...PAGE_PARAMS },
      result: pageOf(POST),
    },
    get: {
      description: "One post.",
      restricted: ["api"],
      auth: "none",
      rest: "GET /api/posts/:id",
      params: { $$strict: true, id: "uuid" },
      result: POST,
    },
    create: {
      description: "Writes a post.",
      restricted: ["api"],
      auth: "required",
      permissions: "posts:write",
      rest: "POST /api/posts",
      status: 201,
      location: "/api/posts/:id",
      params: { $$strict: true, title: TITLE, body: BODY },
      result: POST,
    },
    update: {
      description: "Changes one's own post; another's with posts:moderate.",
      restricted: ["api"],
      auth: "required",
      permissions: "posts:write",
      rest: "PUT /api/posts/:id",
      params: {
        $$strict: true,
        id: "uuid",
        title: { ...TITLE, optional: true },
        body: { ...BODY, optional: true },
      },
      result: POST,
    },
    remove: {
      description: "Removes one's own post; another's with posts:moderate.",
      restricted: ["api"],
      auth: "required",
      permissions: "posts:write",
      rest: "DELETE /api/posts/:id",
      params: { $$strict: true, id: "uuid" },
      result: null,
    },
    userPosts: {
      description: "The guard's tour: posts may call users.posts, so this works.",
      restricted: null,
      auth: "none",
      params: { $$strict: true, id: "uuid|optional" },
      result: pageOf(POST),
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

declare module "../../lib/contract.ts" {
  interface Contracts {
    posts: typeof contract;
  }
}
