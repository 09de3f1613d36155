import type { Examples } from "../../lib/contract/examples.ts";
import type { contract } from "./posts.contract.ts";

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

/** For the OpenAPI document. */
export const examples: Examples<typeof contract> = {
  list: { params: { limit: 20 }, result: POSTS_EXAMPLE },
  get: { params: { id: ID }, result: POST_EXAMPLE },
  create: { params: { title: "Hi", body: "There" }, result: POST_EXAMPLE },
  update: {
    params: { id: ID, title: "Hello" },
    result: {
      ...POST_EXAMPLE,
      title: "Hello",
      updatedAt: "2026-11-21T22:40:12.004Z",
      version: 2,
    },
  },
  remove: { params: { id: ID } },
};
