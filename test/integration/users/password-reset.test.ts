import { beforeAll, describe, expect, it } from "vitest";
import {
  emailOf,
  forgotPassword,
  NEW_PASSWORD,
  resetPassword,
  tryLogin,
  usersOf,
} from "../../helpers/accounts.ts";
import { type App, isMissing, sharedApp } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import {
  administrator,
  login,
  PASSWORD,
  type Person,
  register,
  request,
} from "../../helpers/http.ts";
import { mailsTo, mailTo, SUBJECTS } from "../../helpers/mail.ts";
import { without } from "../../helpers/without.ts";

describe.skipIf(isMissing)("a password", () => {
  let app: App;

  beforeAll(async () => {
    app = await sharedApp();
  });

  const typeFor = async (token: string) =>
    (await request(app, "GET /api/users/me", { token })).body.type;
  const change = (token: string, currentPassword: string, newPassword: string) =>
    request(app, "POST /api/auth/password", { token, body: { currentPassword, newPassword } });
  const loginStatus = async (username: string, password: string) =>
    (await tryLogin(app, username, password)).status;
  const linkFor = async (person: Person, count = 1) => {
    await forgotPassword(app, emailOf(person));
    return mailTo(app, emailOf(person), SUBJECTS.resetPassword, count);
  };

  it("is changed with the current one, which ends all other sessions", async () => {
    const alice = await register(app);
    const phone = await login(app, alice.username, PASSWORD);
    const { token: link } = await linkFor(alice);
    const { status, body } = await change(alice.token, PASSWORD, NEW_PASSWORD);
    expect([status, body]).toEqual([204, ""]);
    await expect.poll(() => typeFor(phone.token)).toBe("AccessTokenRevoked");
    expect(await typeFor(alice.token)).toBeUndefined();
    expect(await loginStatus(alice.username, PASSWORD)).toBe(401);
    expect(await loginStatus(alice.username, NEW_PASSWORD)).toBe(200);
    const { text } = await mailTo(app, emailOf(alice), SUBJECTS.passwordChanged);
    expect(text).not.toContain(NEW_PASSWORD);
    expect((await resetPassword(app, link!)).body.type).toBe("LinkInvalid");
    const [entry] = await auditOf(app, { event: "password.changed", userId: alice.id });
    expect(entry).toMatchObject({
      actorId: alice.id,
      subjectId: alice.id,
      subject: alice.username,
    });
  });

  it("stays the same if the current one is wrong", async () => {
    const alice = await register(app);
    const { status, body } = await change(alice.token, "a wrong guess", NEW_PASSWORD);
    expect([status, body.type]).toEqual([401, "InvalidCredentials"]);
    expect((await change(alice.token, PASSWORD, "short")).body.type).toBe("VALIDATION_ERROR");
    expect(await loginStatus(alice.username, PASSWORD)).toBe(200);
    expect(await typeFor(alice.token)).toBeUndefined();
  });

  it("stays the same while auth is unreachable and cannot end sessions", async () => {
    const alice = await register(app);
    const { token: link } = await linkFor(alice);
    const responses = await without(app, "auth", async () => [
      await change(alice.token, PASSWORD, NEW_PASSWORD),
      await resetPassword(app, link!),
    ]);
    for (const { status } of responses) expect(status).toBe(503);
    expect(await loginStatus(alice.username, PASSWORD)).toBe(200);
    expect((await resetPassword(app, link!)).status).toBe(204);
  });

  it("is reset with a mailed link, which ends all sessions", async () => {
    const alice = await register(app);
    const { url, token, text } = await linkFor(alice);
    expect(url).toBe(`http://localhost:3000/reset-password#token=${token}`);
    expect(Buffer.from(token!, "base64url")).toHaveLength(32);
    expect(text).toContain(`\n  ${token}\n`);

    const { status, body } = await resetPassword(app, token!);
    expect([status, body]).toEqual([204, ""]);
    await expect.poll(() => typeFor(alice.token)).toBe("AccessTokenRevoked");
    expect(await loginStatus(alice.username, PASSWORD)).toBe(401);
    const { token: again } = await login(app, alice.username, NEW_PASSWORD);
    // the owner has received the mail, so that the address is verified
    expect((await request(app, "GET /api/users/me", { token: again })).body.emailVerified).toBe(
      true,
    );
    await mailTo(app, emailOf(alice), SUBJECTS.passwordChanged);

    const [forgotten] = await auditOf(app, { event: "password.forgotten", userId: alice.id });
    expect(forgotten).toMatchObject({ subjectId: alice.id });
    expect(forgotten.actorId).toBeUndefined();
    const [entry] = await auditOf(app, { event: "password.reset", userId: alice.id });
    expect(entry).toMatchObject({ actorId: alice.id, subjectId: alice.id });
    expect(JSON.stringify([forgotten, entry])).not.toContain(token);
  });

  it("that is refused does not use up the reset link", async () => {
    const alice = await register(app);
    const { token } = await linkFor(alice);
    for (const bad of ["short", "é".repeat(40)])
      expect((await resetPassword(app, token!, bad)).body.type).toBe("VALIDATION_ERROR");
    expect((await resetPassword(app, token!)).status).toBe(204);
  });

  it("has one valid reset link, which a newer one or a change of the address revokes", async () => {
    const alice = await register(app);
    const { token: older } = await linkFor(alice);
    const { token: newer } = await linkFor(alice, 2);
    expect((await resetPassword(app, older!)).body.type).toBe("LinkInvalid");
    const body = { email: `${alice.username}@example.org`, currentPassword: PASSWORD };
    await request(app, "PATCH /api/users/me", { token: alice.token, body });
    expect((await resetPassword(app, newer!)).body.type).toBe("LinkInvalid");
    expect(await loginStatus(alice.username, PASSWORD)).toBe(200);
  });

  it("cannot be reset with a link that has expired", async () => {
    const alice = await register(app);
    const { token } = await linkFor(alice);
    const { db } = usersOf(app);
    await db
      .updateTable("links")
      .set({ expires_at: new Date(Date.now() - 1) })
      .where("account_id", "=", alice.id)
      .execute();
    const { status, body } = await resetPassword(app, token!);
    expect([status, body.type]).toEqual([400, "LinkInvalid"]);
  });

  it("gets three reset links in an hour, and the same response beyond them", async () => {
    const alice = await register(app);
    const bob = await register(app);
    for (const count of [1, 2, 3]) await linkFor(alice, count);
    const { status, body } = await forgotPassword(app, emailOf(alice));
    expect([status, body]).toEqual([202, ""]);
    // mails are written in order: a fourth one would have been written before this one
    await linkFor(bob);
    const links = mailsTo(app, emailOf(alice), SUBJECTS.resetPassword);
    expect(links).toHaveLength(3);
    expect((await resetPassword(app, links.at(-1)!.token!)).status).toBe(204);
  });

  it("that an administrator sets is reported to the owner by mail", async () => {
    const alice = await register(app);
    const { token } = await administrator(app);
    const body = { password: NEW_PASSWORD };
    const { token: link } = await linkFor(alice);
    await request(app, `PUT /api/users/${alice.id}`, { token, body });
    await mailTo(app, emailOf(alice), SUBJECTS.passwordChanged);
    expect((await resetPassword(app, link!)).body.type).toBe("LinkInvalid");
    const [entry] = await auditOf(app, { event: "password.changed", userId: alice.id });
    expect(entry).toMatchObject({ actor: "admin", subjectId: alice.id });
  });
});
