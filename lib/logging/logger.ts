import { destination, type LoggerOptions, type LogFn } from "pino";
import type { Redact } from "./redaction.ts";
import { serializeError } from "./serialize-error.ts";

/** pino's number of the level "warn". */
const WARN = 40;
/** Lines are written together once they have this length, in bytes. A system call for each took a quarter of a request. */
const BUFFERED = 4_096;
/** Or after this time, in milliseconds: what a process that is killed may lose. */
const FLUSH_INTERVAL = 100;

let output: ReturnType<typeof destination> | undefined;

/** The standard output. Warnings, errors, and all lines when the process ends, are written at once. */
export function logOutput(): ReturnType<typeof destination> {
  if (output) return output;
  const options = { fd: 1, sync: true, minLength: BUFFERED, periodicFlush: FLUSH_INTERVAL };
  const opened = destination(options);
  process.on("exit", () => opened.flushSync());
  return (output = opened);
}

/**
 * Moleculer logs the message first and the error second: `error("Unable to start.", error)`. pino would drop the error.
 * The hook writes it as `err`, and adds further strings to the message. All objects are redacted, those of `%o` too.
 */
const redactingMethod = (redact: Redact) =>
  function logMethod(this: unknown, args: Parameters<LogFn>, log: LogFn, level: number): void {
    const [message, ...more] = args as unknown[];
    const write = (...written: unknown[]) => {
      log.apply(this as never, written as never);
      if (level >= WARN) output?.flushSync();
    };
    if (typeof message !== "string" || message.includes("%"))
      // pino serializes the first argument itself; `%o` and `%j` would show all fields of a later error
      return write(
        ...args.map((one: unknown, at) => (at === 0 && one instanceof Error ? one : redact(one))),
      );
    const err = more.find((one) => one instanceof Error);
    const words = more.filter((one) => typeof one === "string");
    return write(err ? { err } : {}, [message, ...words].join(" "));
  };

/** pino's options: one JSON object in each line, or coloured text on a terminal. */
export function loggerOptions(level: string, isTerminal: boolean, redact: Redact): LoggerOptions {
  return {
    level,
    hooks: { logMethod: redactingMethod(redact) },
    serializers: { err: (error: unknown) => serializeError(error) },
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
