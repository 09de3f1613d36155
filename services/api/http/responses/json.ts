const texts = new WeakMap<object, string>();

/** The JSON text of a response body. It is made once: its ETag, its price (call-limits.ts) and the response use it. */
export function jsonOf(data: unknown): string {
  if (typeof data !== "object" || data === null) return JSON.stringify(data) ?? "";
  const known = texts.get(data);
  if (known !== undefined) return known;
  const text = JSON.stringify(data);
  texts.set(data, text);
  return text;
}
