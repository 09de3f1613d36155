import { Writable } from "node:stream";
import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { loggerOptions } from "../../../lib/logging/logger.ts";

describe("the log", () => {
  const lines: any[] = [];
  const destination = new Writable({
    write(line: Buffer, _encoding, done) {
      lines.push(JSON.parse(line.toString()));
      done();
    },
  });
  // as Moleculer calls it
  const logger: Record<"error" | "warn" | "info", (...args: unknown[]) => void> = pino(
    loggerOptions("info", false),
    destination,
  );

  beforeEach(() => {
    lines.length = 0;
  });

  it("has the error that Moleculer names behind a message, without a database's rows", () => {
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

  it("has the words behind a message", () => {
    logger.warn("NATS error.", "PERMISSIONS_VIOLATION");
    expect(lines).toMatchObject([{ msg: "NATS error. PERMISSIONS_VIOLATION" }]);
  });

  it("takes everything else as pino does", () => {
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
});
