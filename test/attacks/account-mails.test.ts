import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { LinksRepository } from "../../services/users/mail/links.repository.ts";
import { Mailer } from "../../services/users/mail/mailer.ts";
import { UsersRepository } from "../../services/users/users.repository.ts";
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
  usersOf,
  verifyEmail,
} from "../helpers/accounts.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, login, PASSWORD, type Person, register, request } from "../helpers/http.ts";
import { mailsTo, mailTo, SUBJECTS } from "../helpers/mail.ts";

describe.skipIf(isMissing)("the users service, against abuse of its mails,", () => {
  let app: App;
  let admin: Person;

  beforeAll(async () => {
    app = await startApp();
    admin = await administrator(app);
  });
  afterAll(() => app?.stop());

  it("lets one of twenty concurrent requests use a link, and none later", async () => {
    const alice = await register(app);
    const token = await resetTokenOf(app, alice);
    const passwords = Array.from({ length: 20 }, (_, count) => `password number ${count}`);
    const responses = await Promise.all(
      passwords.map((password) => resetPassword(app, token, password)),
    );
    const winners = passwords.filter((_, index) => responses[index]!.status === 204);
    expect(winners).toHaveLength(1);
    for (const { status, body } of responses.filter((one) => one.status !== 204))
      expect([status, body.type]).toEqual([400, "LinkInvalid"]);
    expect((await resetPassword(app, token)).body.type).toBe("LinkInvalid");
    expect(await canLogin(app, alice.username, winners[0]!)).toBe(true);
  });

  it.each([
    ["random", () => randomBytes(32).toString("base64url")],
    ["the stored hash", (token: string) => createHash("sha256").update(token).digest("base64url")],
    ["too short", (token: string) => token.slice(0, -1)],
    ["too long", (token: string) => `${token}A`],
    ["in upper case", (token: string) => token.toUpperCase()],
    ["with spaces", (token: string) => ` ${token}`],
    ["SQL", () => "' or ''='"],
  ])("refuses a reset token that is %s", async (_, forge) => {
    const alice = await register(app);
    const token = await resetTokenOf(app, alice);
    const { status, body } = await resetPassword(app, forge(token));
    expect([status, body.type]).toEqual([400, "LinkInvalid"]);
    expect(await canLogin(app, alice.username, PASSWORD)).toBe(true);
  });

  it.each([null, 1, true, {}, [], ["a"], "", "x".repeat(201), "a\0b"])(
    "refuses %j as a token with VALIDATION_ERROR",
    async (token) => {
      expect((await resetPassword(app, token)).body.type).toBe("VALIDATION_ERROR");
    },
  );

  it("refuses a link that was created for another purpose", async () => {
    const alice = await register(app);
    const forReset = await resetTokenOf(app, alice);
    const { token: forAddress } = await mailTo(app, emailOf(alice), SUBJECTS.verifyEmail);
    expect((await resetPassword(app, forAddress!)).body.type).toBe("LinkInvalid");
    expect((await verifyEmail(app, forReset)).body.type).toBe("LinkInvalid");
    expect((await accountOf(app, alice)).email_verified_at).toBeNull();
    expect(await canLogin(app, alice.username, PASSWORD)).toBe(true);
  });

  it("refuses to apply a link to another account than its own", async () => {
    const [mallory, alice] = [await register(app), await register(app)];
    const token = await resetTokenOf(app, mallory);
    for (const field of ["userId", "id", "email", "username", "sub"]) {
      const { status, body } = await request(app, "POST /api/auth/reset-password", {
        body: { token, newPassword: NEW_PASSWORD, [field]: alice.id },
      });
      expect([status, body.type]).toEqual([422, "VALIDATION_ERROR"]);
    }
    await resetPassword(app, token);
    expect(await canLogin(app, alice.username, PASSWORD)).toBe(true);
    expect(await canLogin(app, alice.username, NEW_PASSWORD)).toBe(false);
  });

  it("answers the same for registered and unregistered addresses when one is claimed, and changes no owner", async () => {
    const [alice, mallory] = [await registerVerified(app), await register(app)];
    const email = emailOf(alice);
    const before = await accountOf(app, alice);
    const claimant = `by-${mallory.username}`;
    const signUp = (username: string, address: string) =>
      request(app, "POST /api/auth/register", {
        body: { username, email: address, password: PASSWORD },
      });
    const shapeOf = ({ status, body }: { status: number; body: object }) => [
      status,
      Object.keys(body),
    ];
    const known = await signUp(claimant, email.toUpperCase());
    const unknown = await signUp(`not-${claimant}`, `not-${email}`);
    expect(known.status).toBe(201);
    expect(shapeOf(known)).toEqual(shapeOf(unknown));
    const changes = [
      await changeEmail(app, mallory, email),
      await changeEmail(app, alice, `moved-${mallory.username}@x.org`),
    ];
    expect(shapeOf(changes[0]!)).toEqual(shapeOf(changes[1]!));
    // restored for the rest of this test
    await changeEmail(app, alice, email);
    await usersOf(app).accounts.change(alice.id, () => ({ emailVerified: true }));
    // the owner gets a mail without a link
    const told = await mailTo(app, email, SUBJECTS.alreadyRegistered);
    expect(told.text).toContain(alice.username);
    expect(told.url).toBeUndefined();
    // the address still signs in, and resets the password of, the owner
    expect((await login(app, email, PASSWORD)).id).toBe(alice.id);
    await resetTokenOf(app, alice);
    expect((await usersOf(app).accounts.findByEmail(email))?.id).toBe(alice.id);
    expect((await accountOf(app, alice)).email).toBe(before.email);
    // staff may read addresses, and get the conflict
    const body = { username: `staff-${claimant}`, email, password: PASSWORD };
    const { id } = await register(app);
    for (const response of [
      await request(app, "POST /api/users", { token: admin.token, body }),
      await request(app, `PUT /api/users/${id}`, { token: admin.token, body: { email } }),
    ])
      expect([response.status, response.body.data]).toEqual([
        409,
        [{ field: "email", type: "taken" }],
      ]);
  });

  it("answers a reset request before it looks for an account", async () => {
    const alice = await register(app);
    const { accounts } = usersOf(app);
    const { promise: responded, resolve: markResponded } = Promise.withResolvers<void>();
    const findByEmail = vi.spyOn(accounts, "findByEmail").mockImplementation(async (email) => {
      await responded;
      return UsersRepository.prototype.findByEmail.call(accounts, email);
    });
    try {
      const [known, unknown] = await Promise.all(
        [emailOf(alice), "unknown@example.com"].map(async (email) => {
          const { status, body, headers } = await forgotPassword(app, email);
          const stableHeaders = [...headers].filter(
            ([name]) => !/^(date|x-request-id|ratelimit-.*)$/.test(name),
          );
          return { status, body, stableHeaders };
        }),
      );
      expect(known).toMatchObject({ status: 202, body: "" });
      expect(unknown).toEqual(known);
      await expect.poll(() => findByEmail).toHaveBeenCalledTimes(2);
    } finally {
      markResponded();
      findByEmail.mockRestore();
    }
    await mailTo(app, emailOf(alice), SUBJECTS.resetPassword);
  });

  it("does the same work for a reset request with and without an account", async () => {
    const alice = await register(app);
    await mailTo(app, emailOf(alice), SUBJECTS.verifyEmail);
    const create = vi.spyOn(LinksRepository.prototype, "create");
    const compose = vi.spyOn(Mailer.prototype, "compose");
    const unknown = `not-${emailOf(alice)}`;
    const countLinks = async () =>
      (await usersOf(app).db.selectFrom("links").select("hash").execute()).length;
    const before = await countLinks();
    await forgotPassword(app, unknown);
    await expect.poll(() => compose).toHaveBeenCalledTimes(1);
    expect(create).toHaveBeenCalledTimes(1);
    // the created link was rolled back
    expect(await countLinks()).toBe(before);
    expect(mailsTo(app, unknown)).toEqual([]);
    for (const count of [1, 2, 3]) {
      await forgotPassword(app, emailOf(alice));
      await mailTo(app, emailOf(alice), SUBJECTS.resetPassword, count);
    }
    expect(compose).toHaveBeenCalledTimes(1);
    // the same work beyond the limit of an account
    await forgotPassword(app, emailOf(alice));
    await expect.poll(() => compose).toHaveBeenCalledTimes(2);
    expect(await countLinks()).toBe(before + 3);
    create.mockRestore();
    compose.mockRestore();
  });

  it("ignores the headers of a request in the URL of a mailed link", async () => {
    const alice = await register(app);
    const { hostname, port } = new URL(app.url);
    const evil = "evil.example.com";
    const outgoing = httpRequest({
      hostname,
      port,
      method: "POST",
      path: "/api/auth/forgot-password",
      headers: {
        host: evil,
        "content-type": "application/json",
        "x-forwarded-host": evil,
        "x-forwarded-proto": "https",
        forwarded: `host=${evil}`,
        origin: `https://${evil}`,
        referer: `https://${evil}/`,
      },
    }).end(JSON.stringify({ email: emailOf(alice) }));
    const [response] = await once(outgoing, "response");
    expect(response.statusCode).toBe(202);
    response.resume();
    const { url, text } = await mailTo(app, emailOf(alice), SUBJECTS.resetPassword);
    expect(url).toMatch(/^http:\/\/localhost:3000\/reset-password#token=/);
    expect(text).not.toContain(evil);
  });

  it.each([
    "a@example.com,b@example.com",
    "a@example.com\r\nBcc: b@example.com",
    "a@example.com b@example.com",
    "<a@example.com>",
    ["a@example.com", "b@example.com"],
    { address: "a@example.com" },
  ])("refuses a reset request for the address %j", async (email) => {
    expect((await forgotPassword(app, email)).body.type).toBe("VALIDATION_ERROR");
  });

  it.each(["\u202e", "\u200b", "\ufeff", "\u0007"])(
    "refuses an address with the invisible character %j",
    async (invisible) => {
      const mallory = await register(app);
      const before = await accountOf(app, mallory);
      const [username, email] = [`by-${mallory.username}`, `al${invisible}ice@example.com`];
      const body = { username, email, password: PASSWORD };
      const responses = [
        await request(app, "POST /api/auth/register", { body }),
        await request(app, "POST /api/users", { token: admin.token, body }),
        await changeEmail(app, mallory, email),
        await request(app, `PUT /api/users/${mallory.id}`, { token: admin.token, body: { email } }),
        await forgotPassword(app, email),
      ];
      for (const response of responses)
        expect([response.status, response.body.type]).toEqual([422, "VALIDATION_ERROR"]);
      expect(await accountOf(app, mallory)).toEqual(before);
      expect(await usersOf(app).accounts.findByLogin(username)).toBeUndefined();
    },
  );

  it("mails the owner of a mailbox whose other limits were used up by unverified addresses", async () => {
    const alice = await registerVerified(app);
    const tagged = (at: number) => emailOf(alice).replace("@", `+${at}@`);
    const composed = vi.spyOn(Mailer.prototype, "compose");
    for (let at = 0; at < 12; at++) await forgotPassword(app, tagged(at));
    await expect.poll(() => composed).toHaveBeenCalledTimes(12);
    composed.mockRestore();
    await resetTokenOf(app, alice);

    const mallory = await register(app);
    const account = { ...(await accountOf(app, mallory)), email: tagged(0) };
    const notice = { accountId: account.id, to: account.email, isVerified: false };
    for (let at = 0; at < 40; at++)
      await usersOf(app).mails.sendNotice({ ...notice, notice: "password-changed" });
    expect(mailsTo(app, account.email).length).toBeGreaterThan(5);
    expect((await changeEmail(app, alice, `mallory-${emailOf(alice)}`)).status).toBe(200);
    await mailTo(app, emailOf(alice), SUBJECTS.emailChanged);
    expect(mailsTo(app, account.email).length).toBeLessThanOrEqual(10);
  });

  it("mails no more reset links after 100 requests from one client address", async () => {
    const meta = { client: { address: "192.0.2.1" } };
    const forgotFrom = (email: string) =>
      callFrom(app, "api", "users.forgotPassword", { email }, { meta });
    const [alice, bob] = [await register(app), await register(app)];
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => forgotFrom(`unknown-${n}@example.com`)),
    );
    expect(await forgotFrom(emailOf(alice))).toBeFalsy();
    // a later request from another address is mailed
    await resetTokenOf(app, bob);
    const subjects = mailsTo(app, emailOf(alice)).map(({ subject }) => subject);
    expect(subjects).toEqual([expect.stringMatching(SUBJECTS.verifyEmail)]);
  });

  it("refuses the eleventh change of an account's address in an hour", async () => {
    const mallory = await register(app);
    const changeTo = (n: number) =>
      changeEmail(app, mallory, `${mallory.username}-${n}@example.com`);
    for (let n = 1; n <= 10; n += 1) expect((await changeTo(n)).status).toBe(200);
    // the same address again is no change
    expect((await changeTo(10)).status).toBe(200);
    const { status, headers } = await changeTo(11);
    expect(status).toBe(429);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await accountOf(app, mallory)).email).toBe(`${mallory.username}-10@example.com`);
  });

  it("writes no username into a mail to an unverified address", async () => {
    const alice = await register(app, "win-money.example.com");
    await resetTokenOf(app, alice);
    for (const { text } of mailsTo(app, emailOf(alice))) expect(text).not.toContain("win-money");
  });
});
