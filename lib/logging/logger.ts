import type { LoggerOptions, LogFn } from "pino";

/** Wherever these stand in what is logged, they are not written. */
const SECRETS = [
  "authorization",
  "cookie",
  "password",
  "currentPassword",
  "newPassword",
  "token",
  "accessToken",
  "refreshToken",
  "access_token",
  "refresh_token",
  "client_secret",
  "authToken",
];

const redact = SECRETS.flatMap((name) =>
  ["", "*", "*.*", "*.*.*"].map((depth) =>
    depth === "" ? name : name.startsWith("[") ? `${depth}${name}` : `${depth}.${name}`,
  ),
);

/** How deep a chain of causes is written. */
const MAX_CAUSES = 5;

/**
 * An error as it is logged. Of a database's error that leaves out what holds whole rows: `detail`,
 * `query`, `params`, `where` and their like.
 */
function serializeError(error: unknown, depth = 0): unknown {
  if (typeof error !== "object" || error === null) return error;
  const { name, message, code, type, stack, cause } = error as Record<string, unknown>;
  const isDeeper = cause !== undefined && depth < MAX_CAUSES;
  return {
    name,
    message,
    code,
    type,
    stack,
    ...(isDeeper && { cause: serializeError(cause, depth + 1) }),
  };
}

/**
 * Moleculer says what happened first, and why behind it: `error("Unable to start.", error)`. pino drops what
 * stands behind a message; this writes the error as `err`, and adds words to the message.
 */
function logMethod(this: unknown, args: Parameters<LogFn>, log: LogFn): void {
  const [message, ...more] = args as unknown[];
  const err = more.find((one) => one instanceof Error);
  const words = more.filter((one) => typeof one === "string");
  if (typeof message !== "string" || message.includes("%") || (!err && words.length === 0))
    return log.apply(this as never, args);
  return log.call(this as never, err ? { err } : {}, [message, ...words].join(" "));
}

/** pino's options: one JSON object a line, or coloured lines for a person at a terminal. */
export function loggerOptions(level: string, isTerminal: boolean): LoggerOptions {
  return {
    level,
    hooks: { logMethod },
    serializers: { err: (error: unknown) => serializeError(error) },
    redact: { paths: redact, censor: "[redacted]" },
    ...(isTerminal && {
      transport: {
        target: "pino-pretty",
        options: {
          translateTime: "HH:MM:ss.l",
          ignore: "pid,hostname,nodeID,ns,svc,ver,mod",
          singleLine: true,
        },
      },
    }),
  };
}
