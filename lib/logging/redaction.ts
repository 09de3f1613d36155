import type { ServiceContract } from "../contract/contract.ts";
import { serializeError } from "./serialize-error.ts";

/** Copies a value without the fields that must not be shown. */
export type Redact = <T>(value: T) => T;

/** Fields that are in no contract: headers, and what the application itself passes on. */
const ALWAYS = ["authorization", "cookie", "set-cookie", "accessToken", "authToken"];

const CENSOR = "[redacted]";
/** The same limits as pino's: its depthLimit begins below the fields of a line, its edgeLimit is 100. */
const MAX_DEPTH = 6;
const MAX_ITEMS = 100;

/** `refresh_token`, `refreshToken` and `Refresh-Token` are one name. */
const normalize = (name: string) => name.replace(/[_-]/g, "").toLowerCase();

/** Redacts the fields that the contracts declare, at any depth, in every spelling of their names. */
export function redactorOf(contracts: Iterable<ServiceContract>): Redact {
  const declared = [...contracts].flatMap(({ redacted = [] }) => redacted);
  const names = new Set([...ALWAYS, ...declared].map(normalize));

  const copy = (value: unknown, ancestors: readonly object[]): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Error) return serializeError(value);
    if (ancestors.includes(value)) return "[Circular]";
    if (ancestors.length > MAX_DEPTH) return Array.isArray(value) ? "[Array]" : "[Object]";
    try {
      return copyFields(value, [...ancestors, value]);
    } catch {
      // a getter or toJSON that throws: no log line may fail
      return "[unreadable]";
    }
  };

  const copyFields = (value: object, ancestors: readonly object[]): unknown => {
    if (hasToJson(value)) return copy(value.toJSON(), ancestors);
    if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((one) => copy(one, ancestors));
    const fields = Object.entries(value).slice(0, MAX_ITEMS);
    return Object.fromEntries(
      fields.map(([name, one]) => [
        name,
        names.has(normalize(name)) ? CENSOR : copy(one, ancestors),
      ]),
    );
  };

  return <T>(value: T) => copy(value, []) as T;
}

const hasToJson = (value: object): value is { toJSON(): unknown } =>
  "toJSON" in value && typeof value.toJSON === "function";
