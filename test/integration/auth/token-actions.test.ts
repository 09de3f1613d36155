import { randomUUID } from "node:crypto";
import type { Kysely } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serviceNames } from "../../../lib/contract/load.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";
import type { AuthDatabase } from "../../../services/auth/tables.ts";
import { type App, isMissing, startApp, topology } from "../../helpers/app.ts";
import { type Attacker, startAttacker } from "../../helpers/attacker.ts";
import { auditOf } from "../../helpers/audit.ts";
import { callFrom } from "../../helpers/call.ts";
import { type Person, register, request } from "../../helpers/http.ts";
import { watchRuns } from "../../helpers/runs.ts";
import { claimsOf, faultOf, refresh, tokenFor } from "../../helpers/tokens.ts";

const strangersKey = readSigningKey(await generateSigningKey("ES256"));

const onNats = topology === "nats" ? it : () => {};

describe.skipIf(isMissing)("The actions for tokens", () => {
  let app: App;
  let attacker: Attacker;
  let alice: Person;
  const runs = watchRuns();

  beforeAll(async () => {
    app = await startApp({}, { broker: runs.broker });
    attacker = await startAttacker(app);
    alice = await register(app, "alice");
  });
  afterAll(async () => {
    await attacker?.stop();
    await app?.stop();
  });

  /** Calls as the REPL of the process that runs auth does. */
  const asOperator = (action: string, params: object): Promise<any> =>
    app.brokerOf("auth").call(action, params);

  const typeOf = (calling: Promise<unknown>) =>
    calling.then(
      () => "none",
      ({ type }: { type: string }) => type,
    );

  const sessionsOf = async (userId: string) => {
    const { db } = app.service("auth") as unknown as { db: Kysely<AuthDatabase> };
    const rows = db.selectFrom("sessions").select("id").where("user_id", "=", userId).execute();
    return (await rows).length;
  };

  describe("auth.generateToken", () => {
    it("creates a session with the given id for users, whose tokens work", async () => {
      const sessionId = randomUUID();
      const params = { userId: alice.id, sessionId };
      const tokens = await callFrom(app, "users", "auth.generateToken", params);
      expect(tokens).toMatchObject({ token_type: "Bearer", user: { username: alice.username } });
      expect(claimsOf(tokens.access_token)).toMatchObject({ sub: alice.id, sid: sessionId });
      expect(await faultOf(app, tokens.access_token)).toBeUndefined();
      expect((await refresh(app, tokens.refresh_token)).status).toBe(200);
    });

    it("works for the operator, and is then in the audit trail", async () => {
      const bob = await register(app, "bob");
      const tokens = await asOperator("auth.generateToken", { userId: bob.id });
      const { sid } = claimsOf(tokens.access_token);
      const [entry] = await auditOf(app, { event: "token.issued", userId: bob.id });
      expect(entry).toMatchObject({ subject: bob.username, data: { session: sid } });
      expect(entry.actorId ?? null).toBeNull();
    });

    it("answers NotFound for an unknown user, and leaves no session", async () => {
      const userId = randomUUID();
      const calling = callFrom(app, "users", "auth.generateToken", { userId });
      expect(await typeOf(calling)).toBe("NotFound");
      expect(await sessionsOf(userId)).toBe(0);
    });

    it.each(serviceNames().filter((name) => name !== "users"))(
      "refuses the service %s and runs no handler",
      async (service) => {
        const before = [runs.of("auth.generateToken"), await sessionsOf(alice.id)];
        const calling = callFrom(
          app,
          service,
          "auth.generateToken",
          { userId: alice.id },
          { token: alice.token },
        );
        expect(await typeOf(calling)).toBe("ServiceNotAuthorized");
        expect([runs.of("auth.generateToken"), await sessionsOf(alice.id)]).toEqual(before);
      },
    );

    onNats("refuses a process that is not auth's, and runs no handler", async () => {
      const before = runs.of("auth.generateToken");
      const params = { userId: alice.id };
      for (const calling of [
        attacker.call("auth.generateToken", params),
        app.brokerOf("posts").call("auth.generateToken", params),
        app.brokerOf("users").call("auth.generateToken", params),
      ].map(typeOf))
        expect(await calling).toBe("ServiceTokenRequired");
      expect(runs.of("auth.generateToken")).toBe(before);
    });
  });

  describe("auth.verifyToken", () => {
    it("returns the claims of a valid token to services and to the operator", async () => {
      const { token } = alice;
      for (const service of serviceNames().filter((name) => name !== "auth"))
        expect(await callFrom(app, service, "auth.verifyToken", { token })).toEqual(
          claimsOf(token),
        );
      expect(await asOperator("auth.verifyToken", { token })).toEqual(claimsOf(token));
    });

    it.each([
      ["a string that is no token", () => "abc", "AccessTokenVerificationFailed"],
      [
        "an altered token",
        () => `${alice.token.slice(0, -8)}AAAAAAAA`,
        "AccessTokenVerificationFailed",
      ],
      [
        "another tenant's token",
        () => tokenFor(app, { tenantId: "other" }),
        "AccessTokenVerificationFailed",
      ],
      [
        "an expired token",
        () => tokenFor(app, { iat: 1_700_000_000, exp: 1_700_000_600 }),
        "AccessTokenExpired",
      ],
      ["a token of an unknown key", () => tokenFor(app, {}, strangersKey), "SigningKeyNotFound"],
    ])("refuses %s", async (_what, make, type) => {
      expect(await typeOf(callFrom(app, "posts", "auth.verifyToken", { token: make() }))).toBe(
        type,
      );
    });

    it("refuses the token of an ended session with AccessTokenRevoked", async () => {
      const { token } = await register(app);
      await request(app, "POST /api/auth/logout", { token });
      const calling = callFrom(app, "posts", "auth.verifyToken", { token });
      expect(await typeOf(calling)).toBe("AccessTokenRevoked");
    });

    onNats("refuses a process without a service, and runs no handler", async () => {
      const before = runs.of("auth.verifyToken");
      const params = { token: alice.token };
      for (const calling of [
        attacker.call("auth.verifyToken", params),
        app.brokerOf("posts").call("auth.verifyToken", params),
      ].map(typeOf))
        expect(await calling).toBe("ServiceTokenRequired");
      expect(runs.of("auth.verifyToken")).toBe(before);
    });
  });

  it("have no route", async () => {
    const { token } = alice;
    for (const path of ["generateToken", "verifyToken", "ready"])
      for (const route of [`POST /api/auth/${path}`, `POST /auth/${path}`, `GET /api/auth/${path}`])
        expect(
          (await request(app, route, { token, body: route.startsWith("GET") ? undefined : {} }))
            .status,
        ).toBe(404);
  });
});
