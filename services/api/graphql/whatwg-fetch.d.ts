/**
 * The types of `@whatwg-node/fetch`, on which Yoga depends, for tsconfig.json: those of the package would add all of the
 * browser's global names to this application.
 */
export declare const createFetch: () => Pick<
  typeof globalThis,
  "fetch" | "Request" | "Response" | "Headers" | "FormData" | "ReadableStream" | "URL"
>;
