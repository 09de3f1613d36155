import { createHash } from "node:crypto";
import { sql } from "kysely";
import { generateSync } from "otplib";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { AuditEvent } from "../../../lib/audit/declared-events.ts";
import { SecondFactorRepository } from "../../../services/users/second-factor/second-factor.repository.ts";
import type UsersService from "../../../services/users/users.service.ts";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import {
  administrator,
  login,
  PASSWORD,
  type Person,
  register,
  request,
  requestFrom,
} from "../../helpers/http.ts";
import { mailsTo, mailTo, SUBJECTS } from "../../helpers/mail.ts";
import {
  codeOf,
  confirm,
  FACTOR,
  forgetSteps,
  propose,
  registerWithFactor,
} from "../../helpers/second-factor.ts";

const LOGIN = "POST /api/auth/login";

/** The hash of a recovery code in older versions: without a key, so that a stolen database allows guessing. */
const plainHash = (id: string, code: string) =>
  createHash("sha256")
    .update(`${id} ${code.replaceAll("-", "")}`)
    .digest("base64url");

describe.skipIf(isMissing)("the second factor", () => {
  let app: App;
  let users: UsersService;
  let admin: Person;

  beforeAll(async () => {
    app = await sharedApp();
    users = app.service("users") as unknown as UsersService;
    admin = await administrator(app);
  });

  const signIn = (username: string, otp?: string, password = PASSWORD) =>
    request(app, LOGIN, { body: { username, password, otp } });

  const audited = (event: AuditEvent, userId: string, count = 1) =>
    auditOf(app, { event, userId }, count);

  it("is proposed with the password, and enabled once a code confirms it", async () => {
    const { id, token, username } = await register(app);
    const { status, body } = await propose(app, token);
    expect(status).toBe(200);
    expect(body).toEqual({
      secret: expect.stringMatching(/^[A-Z2-7]{32}$/),
      uri: expect.stringMatching(/^otpauth:\/\/totp\//),
    });
    const uri = new URL(body.uri);
    expect(uri.searchParams.get("secret")).toBe(body.secret);
    expect(decodeURIComponent(uri.pathname)).toContain(username);
    expect((await signIn(username)).status).toBe(200);

    const wrong = await confirm(app, token, "000000");
    expect(wrong.body.type).toBe("SecondFactorInvalid");
    expect((await signIn(username)).status).toBe(200);

    const confirmed = await confirm(app, token, codeOf(body.secret));
    expect(confirmed.body.recoveryCodes).toHaveLength(10);
    expect(new Set(confirmed.body.recoveryCodes).size).toBe(10);
    for (const code of confirmed.body.recoveryCodes)
      expect(code).toMatch(/^[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}$/);
    expect((await request(app, `GET ${FACTOR}`, { token })).body).toEqual({
      enabled: true,
      recoveryCodesLeft: 10,
    });
    expect((await signIn(username)).body.type).toBe("SecondFactorRequired");
    expect((await propose(app, token)).body.type).toBe("Conflict");
    expect(await audited("second-factor.enabled", id)).toHaveLength(1);
    // one mail: the wrong code enabled nothing
    const address = `${username}@example.com`;
    await mailTo(app, address, SUBJECTS.secondFactorEnabled);
    expect(mailsTo(app, address, SUBJECTS.secondFactorEnabled)).toHaveLength(1);
  });

  it("ends the sessions that began without it when it is enabled, and not before", async () => {
    const { token, username } = await register(app);
    const other = await login(app, username, PASSWORD);
    const { secret } = (await propose(app, token)).body;
    const stateFor = async (one: string) => request(app, `GET ${FACTOR}`, { token: one });

    expect((await confirm(app, token, "000000")).body.type).toBe("SecondFactorInvalid");
    expect((await stateFor(other.token)).body).toMatchObject({ enabled: false });

    expect((await confirm(app, token, codeOf(secret))).status).toBe(200);
    await expect
      .poll(async () => (await stateFor(other.token)).body.type)
      .toBe("AccessTokenRevoked");
    const body = { refresh_token: other.refreshToken };
    expect((await request(app, "POST /api/auth/refresh", { body })).status).toBe(401);
    expect((await stateFor(token)).body).toMatchObject({ enabled: true });
  });

  it("is required from a login that began before it was enabled", async () => {
    const { id, token, username } = await register(app);
    const { secret } = (await propose(app, token)).body;
    const { loginLimits } = users;
    const remember = loginLimits.remember.bind(loginLimits);
    // enabled after the password was verified
    vi.spyOn(loginLimits, "remember").mockImplementationOnce(async (...given) => {
      const confirmed = await confirm(app, token, codeOf(secret));
      expect(confirmed.status).toBe(200);
      return remember(...given);
    });
    expect((await signIn(username, "000000")).body).toMatchObject({ code: 401 });
    const { items } = (await request(app, "GET /api/auth/sessions", { token })).body;
    expect(items).toEqual([expect.objectContaining({ current: true })]);
    expect(await audited("second-factor.enabled", id)).toHaveLength(1);
  });

  it("is required after the right password only, which the audit trail records", async () => {
    const { id, username, secret } = await registerWithFactor(app);
    for (const otp of [undefined, "000000", codeOf(secret)])
      expect((await signIn(username, otp, "wrong")).body.type).toBe("InvalidCredentials");
    expect((await signIn(username)).body).toMatchObject({
      code: 401,
      type: "SecondFactorRequired",
    });
    expect((await signIn(username, "000000")).body.type).toBe("SecondFactorInvalid");
    expect((await login(app, username, PASSWORD, codeOf(secret))).username).toBe(username);
    await audited("login.succeeded", id);
    const required = await audited("second-factor.required", id);
    expect(required).toEqual([
      expect.objectContaining({ subjectId: id, subject: username, address: "127.0.0.1" }),
    ]);
    expect(required[0].actorId).toBeUndefined();
    // the wrong passwords and the wrong code
    expect(await audited("login.failed", id, 4)).toHaveLength(4);
  });

  it("accepts a code once, also of concurrent requests, and no older one afterwards", async () => {
    const { username, secret } = await registerWithFactor(app);
    const otp = codeOf(secret);
    const responses = await Promise.all([1, 2, 3, 4].map(() => signIn(username, otp)));
    const refused = responses.filter(({ body }) => body.type === "SecondFactorInvalid");
    expect(refused).toHaveLength(3);
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
    const before = generateSync({ secret, epoch: Math.floor(Date.now() / 1000) - 30 });
    expect((await signIn(username, before)).body.type).toBe("SecondFactorInvalid");
  });

  it("accepts the codes of the current and the previous time step only", async () => {
    const { id, username, secret } = await registerWithFactor(app);
    const codeIn = (seconds: number) =>
      generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + seconds });
    // not at the end of a time step, when the previous one is about to expire
    const left = 30_000 - (Date.now() % 30_000);
    if (left < 2_000) await new Promise((resolve) => setTimeout(resolve, left));
    for (const seconds of [-60, 30, 60])
      expect((await signIn(username, codeIn(seconds))).body.type).toBe("SecondFactorInvalid");
    for (const seconds of [-30, 0]) {
      await forgetSteps(app, id);
      expect((await signIn(username, codeIn(seconds))).status).toBe(200);
    }
  });

  it("accepts a recovery code once, in any case and with or without dashes", async () => {
    const { id, token, username, codes } = await registerWithFactor(app);
    const typed = codes[0]!.toLowerCase().replaceAll("-", " ");
    const responses = await Promise.all([1, 2, 3].map(() => signIn(username, typed)));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await signIn(username, codes[0])).body.type).toBe("SecondFactorInvalid");
    expect((await signIn(username, codes[1]!.replaceAll("-", ""))).status).toBe(200);
    const { body } = await request(app, `GET ${FACTOR}`, { token });
    expect(body).toEqual({ enabled: true, recoveryCodesLeft: 8 });
    expect(await audited("recovery-code.used", id, 2)).toHaveLength(2);
  });

  it("refuses the recovery code of another account", async () => {
    const [one, other] = [await registerWithFactor(app), await registerWithFactor(app)];
    expect((await signIn(one.username, other.codes[0])).body.type).toBe("SecondFactorInvalid");
  });

  it("renews the recovery codes with the password and a code; the old ones no longer work", async () => {
    const { id, token, username, secret, codes } = await registerWithFactor(app);
    const route = `POST ${FACTOR}/recovery-codes`;
    const refused = await request(app, route, {
      token,
      body: { password: "wrong", otp: codeOf(secret) },
    });
    expect(refused.body.type).toBe("InvalidCredentials");
    const { body } = await request(app, route, {
      token,
      body: { password: PASSWORD, otp: codeOf(secret) },
    });
    expect(body.recoveryCodes).toHaveLength(10);
    await forgetSteps(app, id);
    expect((await signIn(username, codes[0])).body.type).toBe("SecondFactorInvalid");
    expect((await signIn(username, body.recoveryCodes[0])).status).toBe(200);
    // the refused request renewed nothing
    expect(await audited("recovery-codes.renewed", id)).toEqual([
      expect.objectContaining({ actorId: id, actor: username }),
    ]);
    const address = `${username}@example.com`;
    await mailTo(app, address, SUBJECTS.recoveryCodesRenewed);
    expect(mailsTo(app, address, SUBJECTS.recoveryCodesRenewed)).toHaveLength(1);
  });

  it("is disabled with the password and a code, and not with one of them", async () => {
    const { id, token, username, secret } = await registerWithFactor(app);
    const disable = (password: string, otp: string) =>
      request(app, `POST ${FACTOR}/disable`, { token, body: { password, otp } });
    expect((await disable("wrong", codeOf(secret))).body.type).toBe("InvalidCredentials");
    expect((await disable(PASSWORD, "000000")).body.type).toBe("SecondFactorInvalid");
    expect((await signIn(username)).body.type).toBe("SecondFactorRequired");
    expect((await disable(PASSWORD, codeOf(secret))).status).toBe(204);
    expect((await signIn(username)).status).toBe(200);
    expect((await disable(PASSWORD, codeOf(secret))).body.type).toBe("NotFound");
    expect(await audited("second-factor.disabled", id)).toHaveLength(1);
  });

  describe("against guesses of a person who knows the password", () => {
    /** Ends the delay before the next guess. */
    const skipDelay = (id: string) =>
      sql`update users.second_factors set retry_at = now() where account_id = ${id}`.execute(
        users.db,
      );

    const from = (address: string, username: string, otp: string) =>
      requestFrom(app, address, LOGIN, { username, password: PASSWORD, otp });

    it("refuses codes of the account during a delay that doubles, and mails the owner", async () => {
      const { id, username, secret } = await registerWithFactor(app);
      const address = `${username}@example.com`;
      // concurrently, from one address each
      const guesses = await Promise.all(
        Array.from({ length: 8 }, (_, at) => from(`127.0.1.${at + 1}`, username, "000000")),
      );
      const refused = guesses.filter(({ body }) => body.type === "TooManyRequests");
      expect(guesses.filter(({ body }) => body.type === "SecondFactorInvalid")).toHaveLength(5);
      expect(refused).toHaveLength(3);
      expect(refused[0]!.body.message).toMatch(/Try again in \d+ seconds, or send a recovery code/);
      await mailTo(app, address, SUBJECTS.secondFactorGuessed);

      // the right code is not verified
      const useStep = vi.spyOn(SecondFactorRepository.prototype, "useStep");
      for (const delay of [60, 120, 240, 480]) {
        const { body, headers } = await from("127.0.1.9", username, codeOf(secret));
        expect(body.type).toBe("TooManyRequests");
        expect(body.data.retryAfter).toBeGreaterThan(delay - 20);
        expect(body.data.retryAfter).toBeLessThanOrEqual(delay);
        expect(headers.get("retry-after")).toBe(String(body.data.retryAfter));
        await skipDelay(id);
        const wrong = await from("127.0.1.10", username, "000000");
        expect(wrong.body.type).toBe("SecondFactorInvalid");
      }
      expect(useStep).not.toHaveBeenCalled();
      useStep.mockRestore();
      expect(mailsTo(app, address, SUBJECTS.secondFactorGuessed)).toHaveLength(1);
      const limited = await auditOf(app, { event: "login.limited", userId: id }, 1);
      expect(limited[0]).toMatchObject({ data: { limit: "second-factor" } });

      // the owner signs in after the delay, and the wrong codes stay counted
      await skipDelay(id);
      expect((await from("127.0.1.11", username, codeOf(secret))).status).toBe(200);
      expect((await from("127.0.1.11", username, "000000")).body.type).toBe("SecondFactorInvalid");
      expect((await from("127.0.1.11", username, "000000")).body.data.retryAfter).toBeGreaterThan(
        900,
      );
    });

    it("forgets one wrong code a day", async () => {
      const { id, username } = await registerWithFactor(app);
      for (let count = 0; count < 5; count++) await from("127.0.1.12", username, "000000");
      expect((await from("127.0.1.12", username, "000000")).body.type).toBe("TooManyRequests");
      await sql`update users.second_factors set retry_at = now() - interval '2 days',
        guesses_until = guesses_until - interval '2 days' where account_id = ${id}`.execute(
        users.db,
      );
      for (let count = 0; count < 2; count++)
        expect((await from("127.0.1.13", username, "000000")).body.type).toBe(
          "SecondFactorInvalid",
        );
      expect((await from("127.0.1.13", username, "000000")).body.type).toBe("TooManyRequests");
    });

    it("accepts a recovery code during the delay, within a limit of their own", async () => {
      const { username, codes, token, secret } = await registerWithFactor(app);
      for (let count = 0; count < 5; count++) await from("127.0.1.14", username, "000000");
      expect((await from("127.0.1.14", username, "000000")).body.type).toBe("TooManyRequests");
      expect((await from("127.0.1.15", username, codes[0]!)).status).toBe(200);

      const wrong = "2222-2222-2222";
      for (let at = 0; at < 10; at++)
        expect((await from(`127.0.2.${at + 1}`, username, wrong)).body.type).toBe(
          "SecondFactorInvalid",
        );
      const useCode = vi.spyOn(SecondFactorRepository.prototype, "useCode");
      const { body } = await from("127.0.2.11", username, codes[1]!);
      expect(body.type).toBe("TooManyRequests");
      expect(body.message).toMatch(/Try again in 24 hours/);
      expect(useCode).not.toHaveBeenCalled();
      useCode.mockRestore();
      // an address that the owner has signed in from is not limited
      expect((await from("127.0.1.15", username, codes[1]!)).status).toBe(200);

      // the same counters hold for all other requests with a code
      const both = { password: PASSWORD, otp: codeOf(secret) };
      for (const route of ["recovery-codes", "disable"]) {
        const refused = await request(app, `POST ${FACTOR}/${route}`, { token, body: both });
        expect(refused.body.type).toBe("TooManyRequests");
      }
      expect((await request(app, `GET ${FACTOR}`, { token })).body).toEqual({
        enabled: true,
        recoveryCodesLeft: 8,
      });
    });
  });

  it("limits wrong passwords, and wrong codes of a proposed second factor", async () => {
    const [one, other] = [await register(app), await register(app)];
    await propose(app, other.token);
    for (let count = 0; count < 10; count++) {
      expect((await propose(app, one.token, "wrong")).body.type).toBe("InvalidCredentials");
      const { body } = await confirm(app, other.token, "000000");
      expect(body.type).toBe("SecondFactorInvalid");
    }
    expect((await propose(app, one.token)).body.type).toBe("TooManyRequests");
    expect((await signIn(one.username)).body.type).toBe("TooManyRequests");
    const { body } = await confirm(app, other.token, "000000");
    expect(body.type).toBe("TooManyRequests");
  });

  it("stays enabled when the password changes", async () => {
    const { id, username, secret } = await registerWithFactor(app);
    const passwordHash = await users.passwords.hash("another password");
    await users.accounts.change(id, () => ({ passwordHash }));
    const { body } = await signIn(username, undefined, "another password");
    expect(body.type).toBe("SecondFactorRequired");
    expect((await signIn(username, codeOf(secret), "another password")).status).toBe(200);
  });

  it("cannot be read or guessed with the database alone", async () => {
    const { id, secret, codes } = await registerWithFactor(app);
    const { rows } = await sql`
      select secret from users.second_factors union all select hash from users.recovery_codes
    `.execute(users.db);
    const stored = JSON.stringify(rows);
    expect(stored).not.toContain(secret);
    for (const code of codes) {
      expect(stored).not.toContain(code.replaceAll("-", ""));
      expect(stored).not.toContain(plainHash(id, code));
    }

    // a secret that was copied to another account cannot be decrypted
    const other = await registerWithFactor(app);
    await sql`update users.second_factors set secret =
      (select secret from users.second_factors where account_id = ${id})
      where account_id = ${other.id}`.execute(users.db);
    const { status } = await signIn(other.username, codeOf(secret));
    expect(status).toBe(500);
  });

  describe("of a user who has lost it", () => {
    const remove = (token: string, id: string) =>
      request(app, `DELETE /api/users/${id}/second-factor`, { token });

    it("is removed by an administrator, which ends the user's sessions", async () => {
      const { id, token, username } = await registerWithFactor(app);
      expect((await remove(admin.token, id)).status).toBe(204);
      await expect
        .poll(async () => (await request(app, "GET /api/users/me", { token })).body.type)
        .toBe("AccessTokenRevoked");
      expect((await signIn(username)).status).toBe(200);
      expect((await remove(admin.token, id)).status).toBe(404);
      expect(await audited("second-factor.disabled", id)).toEqual([
        expect.objectContaining({ actor: "admin", subject: username, subjectId: id }),
      ]);
    });

    it("cannot be removed by other users, nor from the first administrator by other administrators", async () => {
      const [one, victim, boss] = [
        await register(app),
        await registerWithFactor(app),
        await registerWithFactor(app),
      ];
      expect((await remove(one.token, victim.id)).body.type).toBe("UserNotAuthorized");
      expect((await signIn(victim.username)).body.type).toBe("SecondFactorRequired");

      await users.db
        .updateTable("accounts")
        .set({ subject_type: "SuperUserAccount" })
        .where("id", "=", boss.id)
        .execute();
      const deputy = await register(app);
      await request(app, `PUT /api/users/${deputy.id}/roles`, {
        token: admin.token,
        body: { roles: ["admin"] },
      });
      const { token } = await login(app, deputy.username, deputy.password);
      expect((await remove(token, boss.id)).body.type).toBe("UserNotAuthorized");
      expect((await remove(admin.token, admin.id)).body.type).toBe("UserNotAuthorized");
      expect((await signIn(boss.username)).body.type).toBe("SecondFactorRequired");
    });
  });
});
