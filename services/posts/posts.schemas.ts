export const TITLE = { type: "string", min: 1, max: 200, trim: true } as const;
export const BODY = { type: "string", min: 1, max: 20_000 } as const;

/** The length of an excerpt, in characters (code points). */
export const EXCERPT_LENGTH = 200;

const COMMON = {
  id: "uuid",
  authorId: { type: "uuid", ref: "users.names" },
  title: "string",
  createdAt: "string",
  updatedAt: "string",
  /** The number of changes, starting at 1. */
  version: "number",
} as const;

export const POST = {
  type: "object",
  name: "Post",
  props: { ...COMMON, body: "string" },
} as const;

/** What events tell of a post. A validator counts an emoji twice, so that the excerpt has no maximum here. */
export const POST_EVENT = { ...COMMON, excerpt: "string" } as const;

/** The beginning of a body, as PostgreSQL's `substr` cuts it: by code points. */
export const excerptOf = (body: string): string =>
  // a code point is at most two characters, and most bodies are long
  Array.from(body.slice(0, 2 * EXCERPT_LENGTH))
    .slice(0, EXCERPT_LENGTH)
    .join("");

/** A post in a list. It has no body: a hundred bodies have up to 6 MB. */
export const POST_SUMMARY = {
  type: "object",
  name: "PostSummary",
  props: { ...COMMON, excerpt: { type: "string", max: EXCERPT_LENGTH } },
} as const;
