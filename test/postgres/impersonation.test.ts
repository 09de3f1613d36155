import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type AuthService from "../../services/auth/auth.service.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { administrator, register, request } from "../helpers/http.ts";
import { faultOf } from "../helpers/tokens.ts";

describe.skipIf(isMissing)("impersonation, on PostgreSQL", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  it("does not hold off the end of the session that it is begun in", async () => {
    const auth = app.service("auth") as unknown as AuthService;
    const { token } = await administrator(app);
    const { id: userId } = await register(app);
    const impersonate = () =>
      request(app, "POST /api/auth/impersonate", { token, body: { userId } });
    const countWaiting = async () => {
      const { rows } = await sql`
        select 1 from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
      `.execute(auth.db);
      return rows.length;
    };

    const create = auth.sessions.create.bind(auth.sessions);
    const gate = Promise.withResolvers<void>();
    onTestFinished(() => gate.resolve());
    const begun = Promise.withResolvers<void>();
    const spy = vi.spyOn(auth.sessions, "create").mockImplementationOnce(async (...args) => {
      begun.resolve();
      await gate.promise;
      return create(...args);
    });
    const first = impersonate();
    await begun.promise;
    const end = request(app, "POST /api/auth/logout", { token });
    await expect.poll(countWaiting).toBe(1);
    // comes while the end waits, and waits behind it
    const second = impersonate();
    await expect.poll(countWaiting).toBe(2);
    gate.resolve();
    spy.mockRestore();

    expect((await end).status).toBe(204);
    expect((await second).body.type).toBe("UserNotAuthorized");
    expect(await faultOf(app, (await first).body.access_token)).toBe("AccessTokenRevoked");
  });
});
