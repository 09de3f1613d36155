import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Mailer } from "../../services/users/mail/mailer.ts";
import {
  accountOf,
  canLogin,
  changeEmail,
  emailOf,
  forgotPassword,
  NEW_PASSWORD,
  registerVerified,
  resetPassword,
  resetTokenOf,
  restoreEmail,
  tryLogin,
  usersOf,
  verifyEmail,
} from "../helpers/accounts.ts";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { auditOf } from "../helpers/audit.ts";
import { administrator, login, PASSWORD, type Person, register, request } from "../helpers/http.ts";
import { mailsTo, mailTo, SUBJECTS } from "../helpers/mail.ts";
import {
  codeOf,
  confirm as confirmFactor,
  propose,
  registerWithFactor,
} from "../helpers/second-factor.ts";
import { claimsOf, faultOf } from "../helpers/tokens.ts";

describe.skipIf(isMissing)("the users service, against account takeover,", () => {
  let app: App;
  let admin: Person;

  beforeAll(async () => {
    app = await sharedApp();
    admin = await administrator(app);
  });

  const confirm = (token: string, body: object) =>
    request(app, "POST /api/auth/confirm", { token, body });
  /** Makes a session one hour old. */
  const signedInLongAgo = ({ token }: Person) =>
    (app.service("auth") as any).db
      .updateTable("sessions")
      .set({ confirmed_at: new Date(Date.now() - 3_600_000) })
      .where("id", "=", claimsOf(token).sid)
      .execute();

  it("refuses to change the address, the password or other sessions with a stolen access token alone", async () => {
    const [alice, boss] = [await register(app), admin];
    for (const { id, token } of [alice, boss]) {
      const before = await accountOf(app, { id });
      const email = `mallory-${id}@example.com`;
      const attempt = (body: object) =>
        request(app, "PATCH /api/users/me", { token, body: { email, ...body } });
      const missing = await attempt({});
      expect([missing.status, missing.body.type]).toEqual([422, "VALIDATION_ERROR"]);
      expect(missing.body.data).toEqual([expect.objectContaining({ field: "currentPassword" })]);
      expect((await attempt({ currentPassword: "wrong" })).body.type).toBe("InvalidCredentials");
      expect(await accountOf(app, { id })).toEqual(before);
    }
    const phone = await login(app, alice.username, PASSWORD);
    await signedInLongAgo(alice);
    const end = (route: string) => request(app, route, { token: alice.token });
    const ofPhone = `DELETE /api/auth/sessions/${claimsOf(phone.token).sid}`;
    for (const route of [ofPhone, "POST /api/auth/logout-all"]) {
      const { status, body } = await end(route);
      expect([status, body.type]).toEqual([403, "ReauthenticationRequired"]);
      expect(body.message).toContain("POST /api/auth/confirm");
    }
    const wrong = await confirm(alice.token, { currentPassword: "wrong" });
    expect(wrong.body.type).toBe("InvalidCredentials");
    expect((await end(ofPhone)).body.type).toBe("ReauthenticationRequired");
    expect(await faultOf(app, phone.token)).toBeUndefined();
    // the owner confirms the session with the password; ending one's own session needs no confirmation
    expect((await confirm(alice.token, { currentPassword: PASSWORD })).status).toBe(204);
    expect((await end(ofPhone)).status).toBe(204);
    expect(await faultOf(app, phone.token)).toBe("AccessTokenRevoked");
    await signedInLongAgo(alice);
    expect((await end(`DELETE /api/auth/sessions/${claimsOf(alice.token).sid}`)).status).toBe(204);
  });

  it("refuses changes with the token and the password of an account with a second factor", async () => {
    const alice = await registerWithFactor(app);
    const before = await accountOf(app, alice);
    const { token } = alice;
    const email = `mallory-${emailOf(alice)}`;
    const currentPassword = PASSWORD;
    await signedInLongAgo(alice);
    for (const [otp, type] of [
      [undefined, "SecondFactorRequired"],
      ["000000", "SecondFactorInvalid"],
    ] as const) {
      const responses = [
        await request(app, "PATCH /api/users/me", { token, body: { email, currentPassword, otp } }),
        await request(app, "POST /api/auth/password", {
          token,
          body: { currentPassword, newPassword: NEW_PASSWORD, otp },
        }),
        await confirm(token, { currentPassword, otp }),
      ];
      for (const { status, body } of responses) expect([status, body.type]).toEqual([401, type]);
    }
    const { body } = await request(app, "POST /api/auth/logout-all", { token });
    expect(body.type).toBe("ReauthenticationRequired");
    expect(await accountOf(app, alice)).toEqual(before);
    const otp = codeOf(alice.secret);
    const moved = await request(app, "PATCH /api/users/me", {
      token,
      body: { email, currentPassword, otp },
    });
    expect(moved.body.email).toBe(email);
  });

  it("removes a proposed second factor, whose secret may be stolen, when the password changes", async () => {
    const alice = await register(app);
    const { secret } = (await propose(app, alice.token)).body;
    const body = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    await request(app, "POST /api/auth/password", { token: alice.token, body });
    const confirmed = await confirmFactor(app, alice.token, codeOf(secret));
    expect(confirmed.body.type).toBe("NotFound");
  });

  it.each([true, false])(
    "restores an address that was changed with a stolen password by the mailed link (verified: %s)",
    async (isVerified) => {
      const alice = isVerified ? await registerVerified(app) : await register(app);
      const [first, next] = [`mallory-${emailOf(alice)}`, `next-${emailOf(alice)}`];
      expect((await changeEmail(app, alice, first)).status).toBe(200);
      const { url, token } = await mailTo(app, emailOf(alice), SUBJECTS.emailChanged);
      expect(url).toBe(`http://localhost:3000/restore-email#token=${token}`);
      // a second change does not revoke the owner's link
      expect((await changeEmail(app, alice, next)).status).toBe(200);
      const later = await mailTo(app, first, SUBJECTS.emailChanged);
      for (const wrong of [`${token}A`, "unknown"])
        expect((await restoreEmail(app, wrong)).body.type).toBe("LinkInvalid");
      expect((await restoreEmail(app, token)).status).toBe(204);
      expect(await faultOf(app, alice.token)).toBe("AccessTokenRevoked");
      const after = await accountOf(app, alice);
      expect([after.email, after.email_verified_at !== null]).toEqual([emailOf(alice), isVerified]);
      await mailTo(app, emailOf(alice), SUBJECTS.emailRestored);
      // neither the same link nor those to the attacker's addresses work afterwards
      for (const used of [token, later.token])
        expect((await restoreEmail(app, used)).body).toMatchObject({
          code: 400,
          type: "LinkInvalid",
        });
      expect((await accountOf(app, alice)).email).toBe(emailOf(alice));
      const [entry] = await auditOf(app, { event: "account.changed", userId: alice.id });
      expect(entry).toMatchObject({ actorId: alice.id, data: { fields: ["email"] } });
    },
  );

  it("refuses a restore link that has expired, or after the owner or an administrator restored the address", async () => {
    const registerMoved = async () => {
      const person = await registerVerified(app);
      const first = `mallory-${emailOf(person)}`;
      await changeEmail(app, person, first);
      return { person, first };
    };
    const [one, two, three] = [await registerMoved(), await registerMoved(), await registerMoved()];
    const mailed = await mailTo(app, emailOf(one.person), SUBJECTS.emailChanged);
    await usersOf(app)
      .db.updateTable("links")
      .set({ expires_at: new Date(Date.now() - 1) })
      .where("account_id", "=", one.person.id)
      .execute();
    expect((await restoreEmail(app, mailed.token)).body.type).toBe("LinkInvalid");
    // the owner changes the address back, or an administrator does
    await changeEmail(app, two.person, emailOf(two.person));
    const route = `PUT /api/users/${three.person.id}`;
    const body = { email: emailOf(three.person) };
    expect((await request(app, route, { token: admin.token, body })).status).toBe(200);
    for (const { person, first } of [two, three]) {
      const { token } = await mailTo(app, emailOf(person), SUBJECTS.emailChanged);
      expect((await restoreEmail(app, token)).body.type).toBe("LinkInvalid");
      // and the attacker's address gets no link that undoes this
      expect((await mailTo(app, first, SUBJECTS.emailChanged)).token).toBeUndefined();
    }
    for (const { person } of [two, three])
      expect((await accountOf(app, person)).email).toBe(emailOf(person));
  });

  it("gives an address to the account that verifies it, and revokes the links of other claims", async () => {
    const email = `contested-${randomBytes(4).toString("hex")}@example.com`;
    const claim = async (username: string) => {
      const body = { username: `${username}-${randomBytes(4).toString("hex")}`, email };
      const registered = await request(app, "POST /api/auth/register", {
        body: { ...body, password: PASSWORD },
      });
      return { id: registered.body.user.id, token: registered.body.access_token };
    };
    // an older account that claims the address later does not get its links
    const older = await register(app);
    const mallory = await claim("mallory");
    expect((await changeEmail(app, older, email)).status).toBe(200);
    expect((await usersOf(app).accounts.findByEmail(email))?.id).toBe(mallory.id);
    const { token: tokenOfMallory } = await mailTo(app, email, SUBJECTS.verifyEmail);
    const alice = await claim("alice");
    const links = await mailTo(app, email, SUBJECTS.verifyEmail, 3);
    expect((await verifyEmail(app, links.token)).status).toBe(204);
    expect((await verifyEmail(app, tokenOfMallory)).body.type).toBe("LinkInvalid");
    const [hers, theirs] = [await accountOf(app, alice), await accountOf(app, mallory)];
    expect([hers.email_verified_at, theirs.email_verified_at]).toEqual([expect.any(Date), null]);
    const resend = "POST /api/auth/verify-email/resend";
    expect((await request(app, resend, { token: mallory.token })).status).toBe(202);
    await mailTo(app, email, SUBJECTS.alreadyRegistered);
    expect(mailsTo(app, email, SUBJECTS.verifyEmail)).toHaveLength(3);
  });

  it("ends the sessions, password and second factor of an account that another person registered, by a reset", async () => {
    const claimed = await registerWithFactor(app);
    const token = await resetTokenOf(app, claimed);
    expect((await resetPassword(app, token, "the owner's horse")).status).toBe(204);
    expect(await canLogin(app, emailOf(claimed), "the owner's horse")).toBe(true);
    expect(await faultOf(app, claimed.token)).toBe("AccessTokenRevoked");
    for (const otp of claimed.codes.slice(0, 2)) {
      const { body } = await tryLogin(app, claimed.username, PASSWORD, otp);
      expect(body.type).toBe("InvalidCredentials");
    }
    const [entry] = await auditOf(app, { event: "second-factor.disabled", userId: claimed.id });
    expect(entry).toMatchObject({ subjectId: claimed.id });
  });

  it("ends a second factor that was set up before the owner verified the address, by a reset", async () => {
    const claimed = await registerWithFactor(app);
    await verifyEmail(app, (await mailTo(app, emailOf(claimed), SUBJECTS.verifyEmail)).token);
    const token = await resetTokenOf(app, claimed);
    expect((await resetPassword(app, token, "the owner's horse")).status).toBe(204);
    expect(await canLogin(app, emailOf(claimed), "the owner's horse")).toBe(true);
  });

  it("removes a second factor that was set up after the address changed, by the restore link", async () => {
    const alice = await registerVerified(app);
    expect((await changeEmail(app, alice, `mallory-${emailOf(alice)}`)).status).toBe(200);
    const { secret } = (await propose(app, alice.token)).body;
    expect((await confirmFactor(app, alice.token, codeOf(secret))).status).toBe(200);
    const { token } = await mailTo(app, emailOf(alice), SUBJECTS.emailChanged);
    expect((await restoreEmail(app, token)).status).toBe(204);
    expect(await canLogin(app, alice.username, PASSWORD)).toBe(true);
  });

  it("mails no reset link to an unverified address while the change to it can be undone", async () => {
    const mallory = await registerVerified(app);
    const email = `victim-${emailOf(mallory)}`;
    expect((await changeEmail(app, mallory, email)).status).toBe(200);
    await mailTo(app, email, SUBJECTS.verifyEmail);
    const composed = vi.spyOn(Mailer.prototype, "compose");
    expect((await forgotPassword(app, email)).status).toBe(202);
    await expect.poll(() => composed).toHaveBeenCalled();
    composed.mockRestore();
    expect(mailsTo(app, email, SUBJECTS.resetPassword)).toEqual([]);
  });

  it("keeps the second factor of a verified account when its password is reset", async () => {
    const alice = await registerVerified(app);
    const { secret } = (await propose(app, alice.token)).body;
    expect((await confirmFactor(app, alice.token, codeOf(secret))).status).toBe(200);
    expect((await resetPassword(app, await resetTokenOf(app, alice))).status).toBe(204);
    const { body } = await tryLogin(app, alice.username, NEW_PASSWORD);
    expect(body.type).toBe("SecondFactorRequired");
  });

  it("refuses a link to a former address once another account has that address", async () => {
    const [mallory, alice] = [await register(app), await register(app)];
    const { token } = await mailTo(app, emailOf(mallory), SUBJECTS.verifyEmail);
    await changeEmail(app, mallory, `${mallory.username}@example.net`);
    await changeEmail(app, alice, emailOf(mallory));
    expect((await verifyEmail(app, token)).body.type).toBe("LinkInvalid");
    for (const person of [mallory, alice])
      expect((await accountOf(app, person)).email_verified_at).toBeNull();
  });

  it("begins no session with the old password if the password changes during the login", async () => {
    const alice = await register(app);
    const users = usersOf(app);
    const changed = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    const matches = users.passwords.matches.bind(users.passwords);
    const spy = vi.spyOn(users.passwords, "matches").mockImplementationOnce(async (...given) => {
      const isRight = await matches(...given);
      const { status } = await request(app, "POST /api/auth/password", {
        token: alice.token,
        body: changed,
      });
      expect([isRight, status]).toEqual([true, 204]);
      return isRight;
    });
    const refused = await tryLogin(app, alice.username, PASSWORD);
    spy.mockRestore();
    expect([refused.status, refused.body.type]).toEqual([401, "InvalidCredentials"]);
    // only the owner's own session goes on
    const { body: sessions } = await request(app, "GET /api/auth/sessions", { token: alice.token });
    expect(sessions.items.map(({ current }: { current: boolean }) => current)).toEqual([true]);
    expect(await canLogin(app, alice.username, NEW_PASSWORD)).toBe(true);
    // the audit trail has no other login
    expect(await auditOf(app, { event: "login.succeeded", userId: alice.id })).toHaveLength(1);
  });
});
