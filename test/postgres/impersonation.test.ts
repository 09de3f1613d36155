import { sql } from "kysely";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import AuthService from "../../services/auth/auth.service.ts";
import { application } from "../fixtures/application.ts";
import { isMissing } from "../helpers/app.ts";
import { request } from "../helpers/http.ts";
import { faultOf } from "../helpers/tokens.ts";

describe.skipIf(isMissing)("POST /api/auth/impersonate on PostgreSQL", () => {
  const app = application({});

  it("does not delay the logout of the session that it is called from", async () => {
    const auth = app.instance(AuthService);
    const { token } = await app.administrator();
    const { id: userId } = await app.register();
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
    const started = Promise.withResolvers<void>();
    const spy = vi.spyOn(auth.sessions, "create").mockImplementationOnce(async (...args) => {
      started.resolve();
      await gate.promise;
      return create(...args);
    });
    const first = impersonate();
    await started.promise;
    const end = request(app, "POST /api/auth/logout", { token });
    await expect.poll(countWaiting).toBe(1);
    // arrives while the logout waits for its lock, and waits behind it
    const second = impersonate();
    await expect.poll(countWaiting).toBe(2);
    gate.resolve();
    spy.mockRestore();

    expect((await end).status).toBe(204);
    expect((await second).body.type).toBe("UserNotAuthorized");
    expect(await faultOf(app, (await first).body.access_token)).toBe("AccessTokenRevoked");
  });
});
