export const TITLE = { type: "string", min: 1, max: 200, trim: true } as const;
export const BODY = { type: "string", min: 1, max: 20_000 } as const;

/** The length of an excerpt, in characters (code points). */
export const EXCERPT_LENGTH = 200;

const COMMON = {
  id: "uuid",
  authorId: "uuid",
  title: "string",
  createdAt: "string",
  updatedAt: "string",
  /** The number of changes, starting at 1. */
  version: "number",
} as const;

export const POST = { type: "object", props: { ...COMMON, body: "string" } } as const;

/** A post in a list. It has no body: a hundred bodies have up to 6 MB. */
export const POST_SUMMARY = {
  type: "object",
  props: { ...COMMON, excerpt: { type: "string", max: EXCERPT_LENGTH } },
} as const;
