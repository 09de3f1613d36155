import { afterEach, describe, expect, it, vi } from "vitest";
import { healthHandlers } from "../../services/api/http/health.ts";
import { application } from "../fixtures/application.ts";
import { isMissing, startApp } from "../helpers/app.ts";
import { request } from "../helpers/http.ts";
import { without } from "../helpers/without.ts";

describe.skipIf(isMissing)("GET /health/ready", () => {
  const app = application({});

  afterEach(() => {
    vi.useRealTimers();
  });

  const later = (seconds: number) =>
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1_000 });
  const readiness = async () => {
    const { status, body } = await request(app, "GET /health/ready");
    return { code: status, ...body };
  };

  it("answers 200 and names the missing service while one is unavailable", async () => {
    await without(app, "posts", async () => {
      expect(await readiness()).toEqual({ code: 200, status: "ready", missing: ["posts"] });
      expect((await request(app, "GET /.well-known/jwks.json")).status).toBe(200);
    });
    expect(await readiness()).toEqual({ code: 200, status: "ready" });
  });

  it("answers 200 once a node has waited 15 s for a service that does not start", async () => {
    await without(app, "posts", async () => {
      const { "GET /health/ready": ready } = healthHandlers(app.service("api"));
      const codeOf = async () => {
        const { promise, resolve } = Promise.withResolvers<number>();
        await ready({} as never, { writeHead: resolve, end: () => undefined } as never);
        return promise;
      };
      expect(await codeOf()).toBe(503);
      later(16);
      expect(await codeOf()).toBe(200);
      vi.useRealTimers();
    });
  });

  it("answers 503 while no service can be called, although other nodes respond to pings", async () => {
    const services = ["auth", "chat", "guard", "posts", "users"];
    const all = services.reduceRight<() => Promise<void>>(
      (run, name) => () => without(app, name, run),
      async () => {
        expect(await readiness()).toEqual({ code: 503, status: "not ready", missing: services });
      },
    );
    await all();
    await expect.poll(readiness).toEqual({ code: 200, status: "ready" });
  });
});

describe.skipIf(isMissing)("GET /health/ready without the guard", () => {
  it("answers 200 until the service identities expire, then 503", async () => {
    const app = await startApp({ SERVICE_IDENTITY_TTL: "8" });
    const readiness = async () => {
      const { status, body } = await request(app, "GET /health/ready");
      return { code: status, ...body };
    };
    const read = () => request(app, "GET /api/posts");
    try {
      await without(app, "guard", async () => {
        expect(await readiness()).toEqual({ code: 200, status: "ready", missing: ["guard"] });
        expect((await read()).status).toBe(200);
        await expect
          .poll(readiness, { timeout: 15_000 })
          .toMatchObject({ code: 503, status: "not ready" });
        // the identities of the other nodes expire within the next second
        const missing = ["auth", "chat", "guard", "posts", "users"];
        await expect.poll(readiness).toMatchObject({ code: 503, missing });
        await expect.poll(async () => (await read()).body.type).toBe("GuardNotAccessible");
        expect((await read()).status).toBe(503);
        expect((await request(app, "GET /health/live")).status).toBe(200);
      });
      await expect.poll(readiness, { timeout: 15_000 }).toEqual({ code: 200, status: "ready" });
      expect((await read()).status).toBe(200);
    } finally {
      await app.stop();
    }
  }, 60_000);
});
