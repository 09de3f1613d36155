import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { administrator, PASSWORD, type Person, register, request } from "../../helpers/http.ts";
import { mailsTo, mailTo } from "../../helpers/mail.ts";

const emailOf = ({ username }: Person) => `${username}@example.com`;

describe.skipIf(isMissing)("an e-mail address", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp({ WEB_URL: "https://web.example.com/" });
  });
  afterAll(() => app?.stop());

  const verify = (token: string) =>
    request(app, "POST /api/auth/verify-email", { body: { token } });
  const resend = (token?: string) => request(app, "POST /api/auth/verify-email/resend", { token });
  const profile = async ({ token }: Person) =>
    (await request(app, "GET /api/users/me", { token })).body;
  const move = (person: Person, email: string) =>
    request(app, "PATCH /api/users/me", {
      token: person.token,
      body: { email, currentPassword: PASSWORD },
    });
  const linkTo = (email: string, count = 1) => mailTo(app, email, /your e-mail address\?/, count);

  it("is verified by the link that registering sends, once", async () => {
    const alice = await register(app);
    expect((await profile(alice)).emailVerified).toBe(false);
    const { url, token } = await linkTo(emailOf(alice));
    expect(url).toBe(`https://web.example.com/verify-email#token=${token}`);
    const { status, body } = await verify(token!);
    expect([status, body]).toEqual([204, ""]);
    expect((await profile(alice)).emailVerified).toBe(true);
    const again = await verify(token!);
    expect([again.status, again.body.type]).toEqual([400, "LinkInvalid"]);
    const [entry] = await auditOf(app, { event: "email.verified", userId: alice.id });
    expect(entry).toMatchObject({ actorId: alice.id, subjectId: alice.id });
    const [registered] = await auditOf(app, { event: "account.registered", userId: alice.id });
    expect(registered).toMatchObject({ actorId: alice.id, subjectId: alice.id });
  });

  it("that is another is not verified, and the link to the old one is worth nothing", async () => {
    const alice = await register(app);
    const { token: first } = await linkTo(emailOf(alice));
    await verify(first!);
    const email = `${alice.username}@example.org`;
    expect((await move(alice, email)).body).toMatchObject({ email, emailVerified: false });
    const { url } = await mailTo(app, emailOf(alice), /address was changed/);
    expect(url).toMatch(/^https:\/\/web.example.com\/restore-email#token=/);

    const { token: second } = await linkTo(email);
    await move(alice, emailOf(alice));
    expect((await verify(second!)).body.type).toBe("LinkInvalid");
    expect((await profile(alice)).emailVerified).toBe(false);
    const { token: third } = await linkTo(emailOf(alice), 2);
    await verify(third!);
    expect((await profile(alice)).emailVerified).toBe(true);
    const [entry] = await auditOf(app, { event: "account.changed", userId: alice.id });
    expect(entry.data).toEqual({ fields: ["email"] });
  });

  it("that stays the same stays verified", async () => {
    const alice = await register(app);
    await verify((await linkTo(emailOf(alice))).token!);
    const { body } = await move(alice, emailOf(alice).toUpperCase());
    expect(body).toMatchObject({ email: emailOf(alice), emailVerified: true });
    expect(mailsTo(app, emailOf(alice))).toHaveLength(1);
  });

  it("gets another link by asking, three an hour, while it is not verified", async () => {
    const alice = await register(app);
    await linkTo(emailOf(alice));
    const { status, body } = await resend(alice.token);
    expect([status, body]).toEqual([202, ""]);
    const { token } = await linkTo(emailOf(alice), 2);
    await resend(alice.token);
    const limited = await resend(alice.token);
    expect([limited.status, limited.body.type]).toEqual([429, "TooManyRequests"]);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await verify(token!)).body.type).toBe("LinkInvalid");
    await verify((await linkTo(emailOf(alice), 3)).token!);
    expect((await resend(alice.token)).status).toBe(202);
    expect(mailsTo(app, emailOf(alice))).toHaveLength(3);
    expect((await resend()).body.type).toBe("AccessTokenRequired");
  });

  it("of an account that an administrator makes gets a link, too", async () => {
    const { token } = await administrator(app);
    const made = await request(app, "POST /api/users", {
      token,
      body: { username: "carol", email: "carol@example.com", password: PASSWORD },
    });
    expect(made.body.emailVerified).toBe(false);
    await verify((await linkTo("carol@example.com")).token!);
    const route = `GET /api/users/${made.body.id}`;
    expect((await request(app, route, { token })).body.emailVerified).toBe(true);
    const [entry] = await auditOf(app, { event: "account.created", userId: made.body.id });
    expect(entry).toMatchObject({ actor: "admin", subject: "carol" });
  });

  it("is not shown to others, nor whether it is verified", async () => {
    const [alice, bob] = [await register(app), await register(app)];
    const { body } = await request(app, `GET /api/users/${alice.id}`, { token: bob.token });
    expect(Object.keys(body)).toEqual(["id", "username", "createdAt", "version"]);
  });
});
