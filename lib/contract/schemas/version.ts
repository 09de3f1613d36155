/** The parameter that `etag` fills from If-Match: a change of a row with another version is refused. */
export const VERSION = { type: "number", integer: true, min: 1, optional: true } as const;
