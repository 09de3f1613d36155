import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { healthHandlers } from "../../services/api/http/health.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { request } from "../helpers/http.ts";
import { without } from "../helpers/without.ts";

describe.skipIf(isMissing)("GET /health/ready", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());
  afterEach(() => {
    vi.useRealTimers();
  });

  const later = (seconds: number) =>
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1_000 });
  const readiness = async () => {
    const { status, body } = await request(app, "GET /health/ready");
    return { code: status, ...body };
  };

  it("stays 200 and names the service while one is unavailable", async () => {
    await without(app, "posts", async () => {
      expect(await readiness()).toEqual({ code: 200, status: "ready", missing: ["posts"] });
      expect((await request(app, "GET /.well-known/jwks.json")).status).toBe(200);
    });
    expect(await readiness()).toEqual({ code: 200, status: "ready" });
  });

  it("is 200 for a node that has started and waited 15 s for a service that does not come", async () => {
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

  it("is 503 while no service can be called, though other nodes respond", async () => {
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
  it("stays 200 while identities live, and calls work; then it is 503", async () => {
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
        // what the other nodes have proved ends within the next second
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
