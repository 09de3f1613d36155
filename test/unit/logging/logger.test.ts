import { Writable } from "node:stream";
import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import type { ServiceContract } from "../../../lib/contract/contract.ts";
import { loadContracts } from "../../../lib/contract/load.ts";
import { loggerOptions } from "../../../lib/logging/logger.ts";
import { redactorOf } from "../../../lib/logging/redaction.ts";

/** A service that the application does not have, with a field of its own that must not be shown. */
const notes: ServiceContract = { name: "notes", actions: {}, redacted: ["sharingKey"] };

describe("The log", () => {
  const lines: any[] = [];
  const destination = new Writable({
    write(line: Buffer, _encoding, done) {
      lines.push(JSON.parse(line.toString()));
      done();
    },
  });
  // as Moleculer calls it
  const logger: Record<"error" | "warn" | "info", (...args: unknown[]) => void> = pino(
    loggerOptions("info", false, redactorOf([...loadContracts().values(), notes])),
    destination,
  );

  beforeEach(() => {
    lines.length = 0;
  });

  it("has the error that Moleculer passes after a message, without a database's rows", () => {
    const cause = Object.assign(new Error("a column is null"), { detail: "(alice, hash)" });
    logger.error("Failed to load service 'x'", new Error("no access declared", { cause }));
    expect(lines).toMatchObject([
      {
        msg: "Failed to load service 'x'",
        err: { message: "no access declared", cause: { message: "a column is null" } },
      },
    ]);
    expect(lines[0].err.stack).toMatch(/logger\.test\.ts/);
    expect(JSON.stringify(lines)).not.toContain("hash");
  });

  it("shows no row of a database's error that is formatted into a message", () => {
    const error = Object.assign(new Error("a column is null"), { detail: "(alice, hash)" });
    for (const format of ["%o", "%O", "%j"]) logger.error(`A query failed: ${format}`, error);
    logger.error({ table: "users" }, "A query failed: %j", error);
    expect(lines).toHaveLength(4);
    for (const { msg } of lines) expect(msg).toContain("a column is null");
    expect(JSON.stringify(lines)).not.toContain("hash");
  });

  it("has the strings that are passed after a message", () => {
    logger.warn("NATS error.", "PERMISSIONS_VIOLATION");
    expect(lines).toMatchObject([{ msg: "NATS error. PERMISSIONS_VIOLATION" }]);
  });

  it("writes all other arguments as pino does", () => {
    const password = "hush-hush";
    logger.info("no more");
    logger.info("%s of %d", "one", 2);
    logger.info({ password }, "with fields");
    logger.info("an object behind", { password });
    expect(lines.map(({ msg }) => msg)).toEqual([
      "no more",
      "one of 2",
      "with fields",
      "an object behind",
    ]);
    expect(JSON.stringify(lines)).not.toContain(password);
  });

  it("shows no field that a contract declares as redacted, at any depth", () => {
    const SECRET = "hush-hush";
    const fields = {
      sharingKey: SECRET,
      otp: SECRET,
      refresh_token: SECRET,
      Authorization: SECRET,
      refreshToken: SECRET,
      CLIENT_SECRET: SECRET,
    };
    let nested: object = fields;
    for (let depth = 0; depth < 10; depth += 1) {
      logger.info({ nested }, "an object");
      logger.info({ list: [nested] }, "a list");
      logger.info({ json: { toJSON: () => nested } }, "an object with toJSON");
      logger.info("formatted: %o %j", nested, nested);
      logger.warn({ err: new Error("failed", { cause: nested }), nested }, "an error");
      nested = { nested, visible: depth };
    }
    expect(lines).toHaveLength(50);
    expect(JSON.stringify(lines)).not.toContain(SECRET);
    expect(lines[0].nested).toEqual({
      sharingKey: "[redacted]",
      otp: "[redacted]",
      refresh_token: "[redacted]",
      Authorization: "[redacted]",
      refreshToken: "[redacted]",
      CLIENT_SECRET: "[redacted]",
    });
    expect(lines[5].nested.visible).toBe(0);
  });

  it("writes circular objects and objects that throw", () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const throwing = {
      toJSON() {
        throw new Error("no");
      },
    };
    logger.info({ circular }, "circular");
    logger.info({ throwing }, "throwing");
    expect(lines.map(({ msg }) => msg)).toEqual(["circular", "throwing"]);
  });
});
