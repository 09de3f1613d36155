/**
 * JSON as documents show it: `…` stands for what is left out. A string with one stands for any string; in a
 * list the mark stands for more items, in an object for more fields, and in the place of a value for any value.
 */
const REST = "…";

/** Reads one JSON text with such marks. @throws SyntaxError */
export function parseShown(text: string): unknown {
  const open: string[] = [];
  let json = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|\s+|./gsu)) {
    if (token === "{" || token === "[") open.push(token);
    if (token === "}" || token === "]") open.pop();
    if (token !== REST) json += token;
    else if (open.at(-1) === "{" && !json.trimEnd().endsWith(":")) json += `"${REST}":"${REST}"`;
    else json += `"${REST}"`;
  }
  return JSON.parse(json);
}

/** What differs from one run to the next, by its form. */
const KINDS: Record<string, RegExp> = {
  id: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  address: /^(\d{1,3}\.){3}\d{1,3}$/,
  recoveryCode: /^[0-9A-Z]{4}(-[0-9A-Z]{4}){2}$/,
  curl: /^curl\/[\d.]+$/,
};

/** Seconds since 1970, as in a token's `iat`. */
const isRecent = (value: unknown) => typeof value === "number" && value > 1_700_000_000;

/** How a response differs from the one that is shown: a line for each place. */
export function differences(shown: unknown, actual: unknown, at = "response"): string[] {
  if (shown === REST || shown === actual || (isRecent(shown) && isRecent(actual))) return [];
  if (typeof shown === "string" && typeof actual === "string")
    return isAlike(shown, actual) ? [] : [`${at} is ${actual}, not ${shown}`];
  if (Array.isArray(shown) && Array.isArray(actual)) {
    const isOpen = shown.at(-1) === REST;
    const items = isOpen ? shown.slice(0, -1) : shown;
    if (isOpen ? actual.length < items.length : actual.length !== items.length)
      return [`${at} has ${actual.length} items, not ${items.length}`];
    return items.flatMap((item, index) => differences(item, actual[index], `${at}[${index}]`));
  }
  if (isRecord(shown) && isRecord(actual)) {
    const names = Object.keys(shown).filter((name) => name !== REST);
    const more = REST in shown ? [] : Object.keys(actual).filter((name) => !names.includes(name));
    return [
      ...more.map((name) => `${at}.${name} is not shown`),
      ...names.flatMap((name) => differences(shown[name], actual[name], `${at}.${name}`)),
    ];
  }
  return [`${at} is ${JSON.stringify(actual)}, not ${JSON.stringify(shown)}`];
}

/** A string that is cut off is an example of any; others must have the same form. */
const isAlike = (shown: string, actual: string) =>
  shown.includes(REST) ||
  Object.values(KINDS).some((kind) => kind.test(shown) && kind.test(actual));

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
