import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changeEmail, emailOf, verifyEmail } from "../../helpers/accounts.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { administrator, PASSWORD, type Person, register, request } from "../../helpers/http.ts";
import { mailsTo, mailTo, SUBJECTS } from "../../helpers/mail.ts";

describe.skipIf(isMissing)("an e-mail address", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp({ WEB_URL: "https://web.example.com/" });
  });
  afterAll(() => app?.stop());

  const resend = (token?: string) => request(app, "POST /api/auth/verify-email/resend", { token });
  const profile = async ({ token }: Person) =>
    (await request(app, "GET /api/users/me", { token })).body;
  const linkTo = (email: string, count = 1) => mailTo(app, email, SUBJECTS.verifyEmail, count);

  it("is verified by the link that registering sends, once", async () => {
    const alice = await register(app);
    expect((await profile(alice)).emailVerified).toBe(false);
    const { url, token } = await linkTo(emailOf(alice));
    expect(url).toBe(`https://web.example.com/verify-email#token=${token}`);
    const { status, body } = await verifyEmail(app, token!);
    expect([status, body]).toEqual([204, ""]);
    expect((await profile(alice)).emailVerified).toBe(true);
    const again = await verifyEmail(app, token!);
    expect([again.status, again.body.type]).toEqual([400, "LinkInvalid"]);
    const [entry] = await auditOf(app, { event: "email.verified", userId: alice.id });
    expect(entry).toMatchObject({ actorId: alice.id, subjectId: alice.id });
    const [registered] = await auditOf(app, { event: "account.registered", userId: alice.id });
    expect(registered).toMatchObject({ actorId: alice.id, subjectId: alice.id });
  });

  it("is not verified after a change, which revokes the link to the former address", async () => {
    const alice = await register(app);
    const { token: first } = await linkTo(emailOf(alice));
    await verifyEmail(app, first!);
    const email = `${alice.username}@example.org`;
    expect((await changeEmail(app, alice, email)).body).toMatchObject({
      email,
      emailVerified: false,
    });
    const { url } = await mailTo(app, emailOf(alice), SUBJECTS.emailChanged);
    expect(url).toMatch(/^https:\/\/web.example.com\/restore-email#token=/);

    const { token: second } = await linkTo(email);
    await changeEmail(app, alice, emailOf(alice));
    expect((await verifyEmail(app, second!)).body.type).toBe("LinkInvalid");
    expect((await profile(alice)).emailVerified).toBe(false);
    const { token: third } = await linkTo(emailOf(alice), 2);
    await verifyEmail(app, third!);
    expect((await profile(alice)).emailVerified).toBe(true);
    const [entry] = await auditOf(app, { event: "account.changed", userId: alice.id });
    expect(entry.data).toEqual({ fields: ["email"] });
  });

  it("stays verified when it is set to the same address", async () => {
    const alice = await register(app);
    await verifyEmail(app, (await linkTo(emailOf(alice))).token!);
    const { body } = await changeEmail(app, alice, emailOf(alice).toUpperCase());
    expect(body).toMatchObject({ email: emailOf(alice), emailVerified: true });
    expect(mailsTo(app, emailOf(alice))).toHaveLength(1);
  });

  it("gets up to three links in an hour on request, until it is verified", async () => {
    const alice = await register(app);
    await linkTo(emailOf(alice));
    const { status, body } = await resend(alice.token);
    expect([status, body]).toEqual([202, ""]);
    const { token } = await linkTo(emailOf(alice), 2);
    await resend(alice.token);
    const limited = await resend(alice.token);
    expect([limited.status, limited.body.type]).toEqual([429, "TooManyRequests"]);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    // a link revokes older ones when it is mailed
    const { token: newest } = await linkTo(emailOf(alice), 3);
    expect((await verifyEmail(app, token!)).body.type).toBe("LinkInvalid");
    await verifyEmail(app, newest!);
    expect((await resend(alice.token)).status).toBe(202);
    expect(mailsTo(app, emailOf(alice))).toHaveLength(3);
    expect((await resend()).body.type).toBe("AccessTokenRequired");
  });

  it("of an account that an administrator creates gets a link", async () => {
    const { token } = await administrator(app);
    const created = await request(app, "POST /api/users", {
      token,
      body: { username: "carol", email: "carol@example.com", password: PASSWORD },
    });
    expect(created.body.emailVerified).toBe(false);
    await verifyEmail(app, (await linkTo("carol@example.com")).token!);
    const route = `GET /api/users/${created.body.id}`;
    expect((await request(app, route, { token })).body.emailVerified).toBe(true);
    const [entry] = await auditOf(app, { event: "account.created", userId: created.body.id });
    expect(entry).toMatchObject({ actor: "admin", subject: "carol" });
  });

  it("is not shown to other users, nor whether it is verified", async () => {
    const [alice, bob] = [await register(app), await register(app)];
    const { body } = await request(app, `GET /api/users/${alice.id}`, { token: bob.token });
    expect(Object.keys(body)).toEqual(["id", "username", "createdAt", "version"]);
  });
});
