import { Writable } from "node:stream";
import { gzipSync } from "node:zlib";
import type { ServiceSchema } from "moleculer";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loggerOptions } from "../../../lib/logging/logger.ts";
import { redactorOf } from "../../../lib/logging/redaction.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { request } from "../../helpers/http.ts";

const lines: any[] = [];

const log = new Writable({
  write(line: Buffer, _encoding, done) {
    lines.push(JSON.parse(line.toString()));
    done();
  },
});

/** The error of PostgreSQL and kysely for a row that could not be written. */
const ofDatabase = (code: string | undefined, message = `a column is null (${code})`) =>
  Object.assign(new Error(message), {
    code,
    detail: "Failing row contains (alice, $2b$12$hash).",
    query: "update accounts",
    parameters: ["$2b$12$hash"],
  });

const open = { restricted: null, auth: "none" };

const faulty = {
  name: "faulty",
  actions: {
    handler: { ...open, handler: () => Promise.reject(new TypeError("unexpected")) },
    validator: {
      ...open,
      params: {
        x: {
          type: "custom",
          check() {
            throw new TypeError("unexpected");
          },
        },
      },
      handler: () => "never",
    },
    database: {
      ...open,
      handler: (ctx: any) => Promise.reject(ofDatabase(ctx.params.code, ctx.params.message)),
    },
    nested: { ...open, handler: (ctx: any) => ctx.call("faulty.handler", ctx.params) },
  },
} as unknown as ServiceSchema;

describe.skipIf(isMissing)("an error", () => {
  let app: App;

  beforeAll(async () => {
    const pino = { options: loggerOptions("warn", false, redactorOf([])), destination: log };
    const logger = { type: "Pino" as const, options: { level: "warn", pino } };
    app = await startApp({}, { services: [faulty], broker: { logger: logger as never } });
  });
  afterAll(() => app?.stop());
  beforeEach(() => {
    lines.length = 0;
  });

  const call = async (action: string, params = {}) =>
    app
      .brokerOf("faulty")
      .call(action, params)
      .catch((error: Error) => error);

  it.each(["faulty.handler", "faulty.validator"])(
    "that is unexpected in %s is logged once, with its stack, which no caller receives",
    async (action) => {
      const error = await call(action, { x: "hush-hush" });
      expect(JSON.parse(JSON.stringify(error))).toMatchObject({ type: "InternalError", code: 500 });
      expect(lines).toMatchObject([
        {
          action,
          requestID: expect.any(String),
          err: { name: "TypeError", message: "unexpected" },
        },
      ]);
      expect(lines[0].err.stack).toMatch(/errors\.test\.ts/);
      expect(JSON.stringify(lines)).not.toContain("hush-hush");
    },
  );

  it("that comes through several actions is logged where it happened", async () => {
    expect(await call("faulty.nested")).toMatchObject({ type: "InternalError" });
    expect(lines.map(({ action }) => action)).toEqual(["faulty.handler"]);
  });

  it.each([
    ["23502", "VALIDATION_ERROR"],
    ["23505", "Conflict"],
    ["23P01", "Conflict"],
    ["25006", "DatabaseNotAccessible"],
    ["57P01", "DatabaseNotAccessible"],
    ["EHOSTUNREACH", "DatabaseNotAccessible"],
    ["ENETUNREACH", "DatabaseNotAccessible"],
    ["ECONNABORTED", "DatabaseNotAccessible"],
    ["42601", "InternalError"],
  ])("of the database, %s, is %s, and no row gets into the log", async (code, type) => {
    const error = await call("faulty.database", { code });
    expect(error).toMatchObject({ type });
    expect(JSON.stringify([error, lines])).not.toMatch(/hash|accounts|alice/);
    expect(lines).toHaveLength(code.startsWith("23") ? 0 : 1);
  });

  it.each([
    "Client has encountered a connection error and is not queryable",
    "Connection terminated unexpectedly",
    "Query read timeout",
  ])("of a connection, '%s', means that the database is unreachable", async (message) => {
    // from another node, if there are several
    const error = await app
      .brokerOf("api")
      .call("faulty.database", { message })
      .catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ type: "DatabaseNotAccessible", code: 503 });
    // a caller that has waited for a timeout is not made to wait for another
    expect(error).toMatchObject({ retryable: !message.includes("timeout") });
  });

  it("of an unreachable database is logged once, with the reason and no stack, and then counted", async () => {
    const message = "connect ECONNREFUSED 127.0.0.1:5432";
    for (let at = 0; at < 20; at += 1)
      await call("faulty.database", { code: "ECONNREFUSED", message });
    const ofThis = lines.filter(({ reason }) => reason === message);
    expect(ofThis).toMatchObject([
      { type: "DatabaseNotAccessible", action: "faulty.database", requestID: expect.any(String) },
    ]);
    expect(JSON.stringify(ofThis)).not.toContain("stack");
  });

  it("of a body that cannot be decompressed is the client's", async () => {
    const compressed = gzipSync(JSON.stringify({ title: "Hi" }));
    compressed.fill(0xff, 12);
    const response = await fetch(`${app.url}/api/posts`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
      body: compressed,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ type: "BadRequest" });
    const { body } = await request(app, "GET /api/posts");
    expect(body.items).toEqual([]);
  });

  it("of an unavailable service is a warning that names its action and has no stack", async () => {
    await app.brokerOf("posts").destroyService("posts");
    await expect.poll(async () => (await request(app, "GET /api/posts")).status).toBe(503);
    const logged = lines.filter(({ msg }) => msg === "A request failed.");
    expect(logged.at(-1)).toMatchObject({
      level: 40,
      type: "ServiceNotAvailable",
      reason: expect.stringContaining("posts.list"),
      requestID: expect.any(String),
    });
    expect(JSON.stringify(logged)).not.toContain("stack");
  });
});
