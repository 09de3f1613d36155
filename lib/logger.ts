import type { LoggerOptions } from "pino";

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
  '["service-token"]',
  '["service-credential"]',
];

const redact = SECRETS.flatMap((name) =>
  ["", "*", "*.*", "*.*.*"].map((depth) =>
    depth === "" ? name : name.startsWith("[") ? `${depth}${name}` : `${depth}.${name}`,
  ),
);

/** pino's options: one JSON object a line, or coloured lines for a person at a terminal. */
export function loggerOptions(level: string, isTerminal: boolean): LoggerOptions {
  return {
    level,
    redact: { paths: redact, censor: "[redacted]" },
    ...(isTerminal && {
      transport: {
        target: "pino-pretty",
        options: { translateTime: "HH:MM:ss.l", ignore: "pid,hostname,nodeID,ns,svc,ver,mod" },
      },
    }),
  };
}
