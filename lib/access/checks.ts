/** The keys of a type, for checks at run time. The compiler refuses a missing and an extra key. */
export type KeysOf<T extends PropertyKey> = Readonly<Record<T, true>>;

/** The problems of a part of a contract. `what` names the part in the messages. */
export type Check = (what: string, value: unknown) => string[];

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const unknownKeys =
  (known: object): Check =>
  (what, value) =>
    isObject(value)
      ? Object.keys(value)
          .filter((key) => !Object.hasOwn(known, key))
          .map((key) => `${what} has the unknown key '${key}'`)
      : [`${what} must be an object`];

/** Checks each entry of a part of a contract. */
export const each = (value: unknown, what: (key: string) => string, check: Check): string[] =>
  isObject(value) ? Object.entries(value).flatMap(([key, one]) => check(what(key), one)) : [];
