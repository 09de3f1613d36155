/** The own properties of an object with these keys. */
export function pick(object: unknown, keys: readonly string[]): object {
  if (keys.length === 0) return {};
  const all = (object ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    keys.filter((key) => Object.hasOwn(all, key)).map((key) => [key, all[key]]),
  );
}
