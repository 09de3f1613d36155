import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type UsersService from "../../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import {
  administrator,
  login,
  PASSWORD,
  type Person,
  register,
  request,
} from "../../helpers/http.ts";
import { mailsTo, mailTo } from "../../helpers/mail.ts";
import { without } from "../../helpers/without.ts";

const NEW_PASSWORD = "another correct horse";

const emailOf = ({ username }: Person) => `${username}@example.com`;

describe.skipIf(isMissing)("passwords", () => {
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.stop());

  const typeFor = async (token: string) =>
    (await request(app, "GET /api/users/me", { token })).body.type;
  const change = (token: string, currentPassword: string, newPassword: string) =>
    request(app, "POST /api/auth/password", { token, body: { currentPassword, newPassword } });
  const forget = (email: string) =>
    request(app, "POST /api/auth/forgot-password", { body: { email } });
  const reset = (token: string, newPassword = NEW_PASSWORD) =>
    request(app, "POST /api/auth/reset-password", { body: { token, newPassword } });
  const tryLogin = async (username: string, password: string) =>
    (await request(app, "POST /api/auth/login", { body: { username, password } })).status;
  const linkFor = async (person: Person, count = 1) => {
    await forget(emailOf(person));
    return mailTo(app, emailOf(person), /new password/, count);
  };

  it("are changed by who knows them; other sessions end, this one goes on", async () => {
    const alice = await register(app);
    const phone = await login(app, alice.username, PASSWORD);
    const { token: link } = await linkFor(alice);
    const { status, body } = await change(alice.token, PASSWORD, NEW_PASSWORD);
    expect([status, body]).toEqual([204, ""]);
    await expect.poll(() => typeFor(phone.token)).toBe("AccessTokenRevoked");
    expect(await typeFor(alice.token)).toBeUndefined();
    expect(await tryLogin(alice.username, PASSWORD)).toBe(401);
    expect(await tryLogin(alice.username, NEW_PASSWORD)).toBe(200);
    const { text } = await mailTo(app, emailOf(alice), /password was changed/);
    expect(text).not.toContain(NEW_PASSWORD);
    expect((await reset(link!)).body.type).toBe("LinkInvalid");
    const [entry] = await auditOf(app, { event: "password.changed", userId: alice.id });
    expect(entry).toMatchObject({
      actorId: alice.id,
      subjectId: alice.id,
      subject: alice.username,
    });
  });

  it("stay where the current one is wrong", async () => {
    const alice = await register(app);
    const { status, body } = await change(alice.token, "a wrong guess", NEW_PASSWORD);
    expect([status, body.type]).toEqual([401, "InvalidCredentials"]);
    expect((await change(alice.token, PASSWORD, "short")).body.type).toBe("VALIDATION_ERROR");
    expect(await tryLogin(alice.username, PASSWORD)).toBe(200);
    expect(await typeFor(alice.token)).toBeUndefined();
  });

  it("stay while sessions cannot be ended", async () => {
    const alice = await register(app);
    const { token: link } = await linkFor(alice);
    const answers = await without(app, "auth", async () => [
      await change(alice.token, PASSWORD, NEW_PASSWORD),
      await reset(link!),
    ]);
    for (const { status } of answers) expect(status).toBe(503);
    expect(await tryLogin(alice.username, PASSWORD)).toBe(200);
    expect((await reset(link!)).status).toBe(204);
  });

  it("are set anew by a link that comes by mail, and every session ends", async () => {
    const alice = await register(app);
    const { url, token, text } = await linkFor(alice);
    expect(url).toBe(`http://localhost:3000/reset-password#token=${token}`);
    expect(Buffer.from(token!, "base64url")).toHaveLength(32);
    expect(text).toContain(`\n  ${token}\n`);

    const { status, body } = await reset(token!);
    expect([status, body]).toEqual([204, ""]);
    await expect.poll(() => typeFor(alice.token)).toBe("AccessTokenRevoked");
    expect(await tryLogin(alice.username, PASSWORD)).toBe(401);
    const { token: again } = await login(app, alice.username, NEW_PASSWORD);
    // who read the mail has shown whose address it is
    expect((await request(app, "GET /api/users/me", { token: again })).body.emailVerified).toBe(
      true,
    );
    await mailTo(app, emailOf(alice), /password was changed/);

    const [forgotten] = await auditOf(app, { event: "password.forgotten", userId: alice.id });
    expect(forgotten).toMatchObject({ subjectId: alice.id });
    expect(forgotten.actorId).toBeUndefined();
    const [entry] = await auditOf(app, { event: "password.reset", userId: alice.id });
    expect(entry).toMatchObject({ actorId: alice.id, subjectId: alice.id });
    expect(JSON.stringify([forgotten, entry])).not.toContain(token);
  });

  it("that cannot be are refused without using up the link", async () => {
    const alice = await register(app);
    const { token } = await linkFor(alice);
    for (const bad of ["short", "é".repeat(40)])
      expect((await reset(token!, bad)).body.type).toBe("VALIDATION_ERROR");
    expect((await reset(token!)).status).toBe(204);
  });

  it("have one living link: a newer one ends it, and so does another address", async () => {
    const alice = await register(app);
    const { token: older } = await linkFor(alice);
    const { token: newer } = await linkFor(alice, 2);
    expect((await reset(older!)).body.type).toBe("LinkInvalid");
    const body = { email: `${alice.username}@example.org`, currentPassword: PASSWORD };
    await request(app, "PATCH /api/users/me", { token: alice.token, body });
    expect((await reset(newer!)).body.type).toBe("LinkInvalid");
    expect(await tryLogin(alice.username, PASSWORD)).toBe(200);
  });

  it("have links that die after half an hour", async () => {
    const alice = await register(app);
    const { token } = await linkFor(alice);
    const { db } = app.service("users") as unknown as UsersService;
    await db
      .updateTable("links")
      .set({ expires_at: new Date(Date.now() - 1) })
      .where("account_id", "=", alice.id)
      .execute();
    const { status, body } = await reset(token!);
    expect([status, body.type]).toEqual([400, "LinkInvalid"]);
  });

  it("have three links an hour, and nobody is told of the limit", async () => {
    const alice = await register(app);
    const bob = await register(app);
    for (const count of [1, 2, 3]) await linkFor(alice, count);
    const { status, body } = await forget(emailOf(alice));
    expect([status, body]).toEqual([202, ""]);
    // what was asked for later is there, so all that was asked for before would be
    await linkFor(bob);
    const links = mailsTo(app, emailOf(alice)).filter(({ subject }) =>
      /new password/.test(subject),
    );
    expect(links).toHaveLength(3);
    expect((await reset(links.at(-1)!.token!)).status).toBe(204);
  });

  it("that an administrator sets are told of by mail", async () => {
    const alice = await register(app);
    const { token } = await administrator(app);
    const body = { password: NEW_PASSWORD };
    const { token: link } = await linkFor(alice);
    await request(app, `PUT /api/users/${alice.id}`, { token, body });
    await mailTo(app, emailOf(alice), /password was changed/);
    expect((await reset(link!)).body.type).toBe("LinkInvalid");
    const [entry] = await auditOf(app, { event: "password.changed", userId: alice.id });
    expect(entry).toMatchObject({ actor: "admin", subjectId: alice.id });
  });
});
