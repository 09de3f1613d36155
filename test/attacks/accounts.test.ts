import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ACCESS_TOKEN_TYPE } from "../../lib/tokens/access-token.ts";
import { signJwt } from "../../lib/tokens/jwt.ts";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { Mailer } from "../../services/users/mail/mailer.ts";
import { LinksRepository } from "../../services/users/mail/links.repository.ts";
import { UsersRepository } from "../../services/users/users.repository.ts";
import type UsersService from "../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { auditOf } from "../helpers/audit.ts";
import { stolenKey } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, login, PASSWORD, type Person, register, request } from "../helpers/http.ts";
import { mailsTo, mailTo } from "../helpers/mail.ts";
import {
  codeOf,
  confirm as confirmFactor,
  propose,
  registerWithFactor,
} from "../helpers/second-factor.ts";
import { claimsOf, faultOf } from "../helpers/tokens.ts";

const NEW_PASSWORD = "the attacker's horse";

const emailOf = ({ username }: Person) => `${username}@example.com`;

describe.skipIf(isMissing)("somebody who wants another's account", () => {
  let app: App;
  let admin: Person;

  beforeAll(async () => {
    app = await startApp();
    admin = await administrator(app);
  });
  afterAll(() => app?.stop());

  const reset = (token: unknown, newPassword = NEW_PASSWORD) =>
    request(app, "POST /api/auth/reset-password", { body: { token, newPassword } });
  const forget = (body: unknown) => request(app, "POST /api/auth/forgot-password", { body });
  const linkFor = async (person: Person) => {
    await forget({ email: emailOf(person) });
    return (await mailTo(app, emailOf(person), /new password/)).token!;
  };
  const canLogin = async (username: string, password: string) => {
    const { status } = await request(app, "POST /api/auth/login", { body: { username, password } });
    return status === 200;
  };
  const usersService = () => app.service("users") as unknown as UsersService;
  const accountOf = async ({ id }: Person) => (await usersService().accounts.find(id))!;
  const verify = (token: string | undefined) =>
    request(app, "POST /api/auth/verify-email", { body: { token } });
  const move = ({ token }: Person, email: string) =>
    request(app, "PATCH /api/users/me", { token, body: { email, currentPassword: PASSWORD } });
  const restore = (token: string | undefined) =>
    request(app, "POST /api/auth/restore-email", { body: { token } });
  const confirm = (token: string, body: object) =>
    request(app, "POST /api/auth/confirm", { token, body });
  /** As if an hour had gone by since. */
  const signedInLongAgo = ({ token }: Person) =>
    (app.service("auth") as any).db
      .updateTable("sessions")
      .set({ confirmed_at: new Date(Date.now() - 3_600_000) })
      .where("id", "=", claimsOf(token).sid)
      .execute();
  /** Somebody who has shown to read what comes to their address. */
  const verified = async () => {
    const person = await register(app);
    const { token } = await mailTo(app, emailOf(person), /e-mail address\?/);
    expect((await verify(token)).status).toBe(204);
    return person;
  };

  it("has a stolen access token: moves neither the address nor the password, and ends no session", async () => {
    const [alice, boss] = [await register(app), admin];
    for (const { id, token } of [alice, boss]) {
      const before = await accountOf({ id } as Person);
      const email = `mallory-${id}@example.com`;
      const attempt = (body: object) =>
        request(app, "PATCH /api/users/me", { token, body: { email, ...body } });
      const missing = await attempt({});
      expect([missing.status, missing.body.type]).toEqual([422, "VALIDATION_ERROR"]);
      expect(missing.body.data).toEqual([expect.objectContaining({ field: "currentPassword" })]);
      expect((await attempt({ currentPassword: "wrong" })).body.type).toBe("InvalidCredentials");
      expect(await accountOf({ id } as Person)).toEqual(before);
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
    // the owner has the password, and one's own session ends without it
    expect((await confirm(alice.token, { currentPassword: PASSWORD })).status).toBe(204);
    expect((await end(ofPhone)).status).toBe(204);
    expect(await faultOf(app, phone.token)).toBe("AccessTokenRevoked");
    await signedInLongAgo(alice);
    expect((await end(`DELETE /api/auth/sessions/${claimsOf(alice.token).sid}`)).status).toBe(204);
  });

  it("has the token and the password, but not the second factor: changes nothing", async () => {
    const alice = await registerWithFactor(app);
    const before = await accountOf(alice);
    const { token } = alice;
    const email = `mallory-${emailOf(alice)}`;
    const currentPassword = PASSWORD;
    await signedInLongAgo(alice);
    for (const [otp, type] of [
      [undefined, "SecondFactorRequired"],
      ["000000", "SecondFactorInvalid"],
    ] as const) {
      const answers = [
        await request(app, "PATCH /api/users/me", { token, body: { email, currentPassword, otp } }),
        await request(app, "POST /api/auth/password", {
          token,
          body: { currentPassword, newPassword: NEW_PASSWORD, otp },
        }),
        await confirm(token, { currentPassword, otp }),
      ];
      for (const { status, body } of answers) expect([status, body.type]).toEqual([401, type]);
    }
    const { body } = await request(app, "POST /api/auth/logout-all", { token });
    expect(body.type).toBe("ReauthenticationRequired");
    expect(await accountOf(alice)).toEqual(before);
    const otp = codeOf(alice.secret);
    const moved = await request(app, "PATCH /api/users/me", {
      token,
      body: { email, currentPassword, otp },
    });
    expect(moved.body.email).toBe(email);
  });

  it("knows the secret of a second factor that was proposed: a new password makes it worthless", async () => {
    const alice = await register(app);
    const { secret } = (await propose(app, alice.token)).body;
    const body = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    await request(app, "POST /api/auth/password", { token: alice.token, body });
    const answer = await confirmFactor(app, alice.token, codeOf(secret));
    expect(answer.body.type).toBe("NotFound");
  });

  it.each([true, false])(
    "moves the address with a guessed password: the old one, verified %s, undoes it",
    async (isVerified) => {
      const alice = isVerified ? await verified() : await register(app);
      const [first, next] = [`mallory-${emailOf(alice)}`, `next-${emailOf(alice)}`];
      expect((await move(alice, first)).status).toBe(200);
      const { url, token } = await mailTo(app, emailOf(alice), /address was changed/);
      expect(url).toBe(`http://localhost:3000/restore-email#token=${token}`);
      // a second move does not end the owner's link
      expect((await move(alice, next)).status).toBe(200);
      const later = await mailTo(app, first, /address was changed/);
      for (const wrong of [`${token}A`, "made up"])
        expect((await restore(wrong)).body.type).toBe("LinkInvalid");
      expect((await restore(token)).status).toBe(204);
      expect(await faultOf(app, alice.token)).toBe("AccessTokenRevoked");
      const after = await accountOf(alice);
      expect([after.email, after.email_verified_at !== null]).toEqual([emailOf(alice), isVerified]);
      await mailTo(app, emailOf(alice), /address was set back/);
      // and it is not undone, neither by the link again nor by what went to the other addresses
      for (const used of [token, later.token])
        expect((await restore(used)).body).toMatchObject({ code: 400, type: "LinkInvalid" });
      expect((await accountOf(alice)).email).toBe(emailOf(alice));
      const [entry] = await auditOf(app, { event: "account.changed", userId: alice.id });
      expect(entry).toMatchObject({ actorId: alice.id, data: { fields: ["email"] } });
    },
  );

  it("undoes a move with a link that is too old, or after the address was set right", async () => {
    const moved = async () => {
      const person = await verified();
      const first = `mallory-${emailOf(person)}`;
      await move(person, first);
      return { person, first };
    };
    const [one, two, three] = [await moved(), await moved(), await moved()];
    const mailed = await mailTo(app, emailOf(one.person), /address was changed/);
    await usersService()
      .db.updateTable("links")
      .set({ expires_at: new Date(Date.now() - 1) })
      .where("account_id", "=", one.person.id)
      .execute();
    expect((await restore(mailed.token)).body.type).toBe("LinkInvalid");
    // the owner moves back, or an administrator does it
    await move(two.person, emailOf(two.person));
    const route = `PUT /api/users/${three.person.id}`;
    const body = { email: emailOf(three.person) };
    expect((await request(app, route, { token: admin.token, body })).status).toBe(200);
    for (const { person, first } of [two, three]) {
      const { token } = await mailTo(app, emailOf(person), /address was changed/);
      expect((await restore(token)).body.type).toBe("LinkInvalid");
      // nor can whoever reads the other address undo that
      expect((await mailTo(app, first, /address was changed/)).token).toBeUndefined();
    }
    for (const { person } of [two, three])
      expect((await accountOf(person)).email).toBe(emailOf(person));
  });

  it("learns whose address is registered neither by registering nor by moving, and gets none of it", async () => {
    const [alice, mallory] = [await verified(), await register(app)];
    const email = emailOf(alice);
    const before = await accountOf(alice);
    const squatter = `by-${mallory.username}`;
    const signUp = (username: string, address: string) =>
      request(app, "POST /api/auth/register", {
        body: { username, email: address, password: PASSWORD },
      });
    const shapeOf = ({ status, body }: { status: number; body: object }) => [
      status,
      Object.keys(body),
    ];
    const known = await signUp(squatter, email.toUpperCase());
    const unknown = await signUp(`not-${squatter}`, `not-${email}`);
    expect(known.status).toBe(201);
    expect(shapeOf(known)).toEqual(shapeOf(unknown));
    const moves = [
      await move(mallory, email),
      await move(alice, `moved-${mallory.username}@x.org`),
    ];
    expect(shapeOf(moves[0]!)).toEqual(shapeOf(moves[1]!));
    // undone, for what follows
    await move(alice, email);
    await usersService().accounts.change(alice.id, () => ({ emailVerified: true }));
    // the owner is told by mail, and gets no link
    const told = await mailTo(app, email, /already have an account/);
    expect(told.text).toContain(alice.username);
    expect(told.url).toBeUndefined();
    // login and links are the owner's
    expect((await login(app, email, PASSWORD)).id).toBe(alice.id);
    await linkFor(alice);
    expect((await usersService().accounts.findByEmail(email))?.id).toBe(alice.id);
    expect((await accountOf(alice)).email).toBe(before.email);
    // staff, who may read addresses, are told
    const body = { username: `staff-${squatter}`, email, password: PASSWORD };
    const { id } = await register(app);
    for (const answer of [
      await request(app, "POST /api/users", { token: admin.token, body }),
      await request(app, `PUT /api/users/${id}`, { token: admin.token, body: { email } }),
    ])
      expect([answer.status, answer.body.data]).toEqual([409, [{ field: "email", type: "taken" }]]);
  });

  it("claims an address before its owner does: who verifies it has it, and other claims end", async () => {
    const email = `contested-${randomBytes(4).toString("hex")}@example.com`;
    const claim = async (username: string) => {
      const body = { username: `${username}-${randomBytes(4).toString("hex")}`, email };
      const answer = await request(app, "POST /api/auth/register", {
        body: { ...body, password: PASSWORD },
      });
      return { id: answer.body.user.id, token: answer.body.access_token } as Person;
    };
    // whoever has had an account for longer, but claims the address later, does not get its links
    const older = await register(app);
    const mallory = await claim("mallory");
    expect((await move(older, email)).status).toBe(200);
    expect((await usersService().accounts.findByEmail(email))?.id).toBe(mallory.id);
    const { token: mallorys } = await mailTo(app, email, /address\?/);
    const alice = await claim("alice");
    const links = await mailTo(app, email, /address\?/, 3);
    expect((await verify(links.token)).status).toBe(204);
    expect((await verify(mallorys)).body.type).toBe("LinkInvalid");
    const [hers, theirs] = [await accountOf(alice), await accountOf(mallory)];
    expect([hers.email_verified_at, theirs.email_verified_at]).toEqual([expect.any(Date), null]);
    const resend = "POST /api/auth/verify-email/resend";
    expect((await request(app, resend, { token: mallory.token })).status).toBe(202);
    await mailTo(app, email, /already have an account/);
    expect(mailsTo(app, email).filter(({ subject }) => /address\?/.test(subject))).toHaveLength(3);
  });

  it("squats on an address, with a second factor: its owner's reset ends all of that", async () => {
    const squatted = await registerWithFactor(app);
    const token = await linkFor(squatted);
    expect((await reset(token, "the owner's horse")).status).toBe(204);
    expect(await canLogin(emailOf(squatted), "the owner's horse")).toBe(true);
    expect(await faultOf(app, squatted.token)).toBe("AccessTokenRevoked");
    for (const otp of squatted.codes.slice(0, 2)) {
      const { body } = await request(app, "POST /api/auth/login", {
        body: { username: squatted.username, password: PASSWORD, otp },
      });
      expect(body.type).toBe("InvalidCredentials");
    }
    const [entry] = await auditOf(app, { event: "second-factor.disabled", userId: squatted.id });
    expect(entry).toMatchObject({ subjectId: squatted.id });
  });

  it("squats on an address that its owner then verifies with their link: a reset ends the second factor", async () => {
    const squatted = await registerWithFactor(app);
    await verify((await mailTo(app, emailOf(squatted), /address\?/)).token);
    expect((await reset(await linkFor(squatted), "the owner's horse")).status).toBe(204);
    expect(await canLogin(emailOf(squatted), "the owner's horse")).toBe(true);
  });

  it("moves an account and sets up a second factor: the link that undoes the move ends that factor", async () => {
    const alice = await verified();
    expect((await move(alice, `mallory-${emailOf(alice)}`)).status).toBe(200);
    const { secret } = (await propose(app, alice.token)).body;
    expect((await confirmFactor(app, alice.token, codeOf(secret))).status).toBe(200);
    expect((await restore((await mailTo(app, emailOf(alice), /was changed/)).token)).status).toBe(
      204,
    );
    expect(await canLogin(alice.username, PASSWORD)).toBe(true);
  });

  it("moves an account to another's address: a reset link does not hand it to them, to be taken back later", async () => {
    const mallory = await verified();
    const email = `victim-${emailOf(mallory)}`;
    expect((await move(mallory, email)).status).toBe(200);
    await mailTo(app, email, /address\?/);
    const rehearsed = vi.spyOn(Mailer.prototype, "rehearse");
    expect((await forget({ email })).status).toBe(202);
    await expect.poll(() => rehearsed).toHaveBeenCalled();
    rehearsed.mockRestore();
    expect(mailsTo(app, email).filter(({ subject }) => /new password/.test(subject))).toEqual([]);
  });

  it("uses up the mails of a mailbox with addresses that nobody has, or has not verified: its owner's still come", async () => {
    const alice = await verified();
    const tagged = (at: number) => emailOf(alice).replace("@", `+${at}@`);
    const rehearsed = vi.spyOn(Mailer.prototype, "rehearse");
    for (let at = 0; at < 12; at++) await forget({ email: tagged(at) });
    await expect.poll(() => rehearsed).toHaveBeenCalledTimes(12);
    rehearsed.mockRestore();
    await linkFor(alice);

    const mallory = await register(app);
    const account = { ...(await accountOf(mallory)), email: tagged(0) };
    for (let at = 0; at < 40; at++) usersService().mails.passwordChanged(account);
    await expect
      .poll(() => mailsTo(app, account.email).length, { timeout: 10_000 })
      .toBeGreaterThan(5);
    expect((await move(alice, `mallory-${emailOf(alice)}`)).status).toBe(200);
    await mailTo(app, emailOf(alice), /was changed/);
    expect(mailsTo(app, account.email).length).toBeLessThanOrEqual(10);
  });

  it("resets the password of a verified account by its mail: the second factor stays", async () => {
    const alice = await verified();
    const { secret } = (await propose(app, alice.token)).body;
    expect((await confirmFactor(app, alice.token, codeOf(secret))).status).toBe(200);
    expect((await reset(await linkFor(alice))).status).toBe(204);
    const { body } = await request(app, "POST /api/auth/login", {
      body: { username: alice.username, password: NEW_PASSWORD },
    });
    expect(body.type).toBe("SecondFactorRequired");
  });

  it("leaves accounts behind that they cannot verify: these are removed once they expire, others are not", async () => {
    const [squatter, proved] = [await register(app), await verified()];
    const made = await request(app, "POST /api/users", {
      token: admin.token,
      body: {
        username: `made-${squatter.username}`,
        email: "made@example.com",
        password: PASSWORD,
      },
    });
    const users = usersService();
    const expireAt = (at: Date) =>
      users.db
        .updateTable("accounts")
        .set({ expires_at: at })
        .where("id", "=", squatter.id)
        .execute();
    await expireAt(new Date(Date.now() + 60_000));
    await users.removeExpired();
    expect(await accountOf(squatter)).toBeDefined();
    for (const { id } of [proved, made.body, admin])
      expect((await accountOf({ id } as Person)).expires_at).toBeNull();
    const removed = vi.spyOn(users.accounts, "remove");
    await expireAt(new Date(Date.now() - 1));
    // as two nodes would, at once
    await Promise.all([users.removeExpired(), users.removeExpired()]);
    expect(removed.mock.calls.map(([id]) => id)).not.toContain(proved.id);
    removed.mockRestore();
    expect(await accountOf(squatter)).toBeUndefined();
    await expect.poll(() => faultOf(app, squatter.token)).toBe("AccessTokenRevoked");
    const [entry] = await auditOf(app, { event: "account.removed", userId: squatter.id });
    expect(entry).toMatchObject({ subject: squatter.username });
  });

  it.each(["administrator", "Admin1strator", "r00t", "s.u-p_p.o.r.t", "SYSTEM", "rnoderator"])(
    "takes the name %s, which looks like the operator's",
    async (username) => {
      const mallory = await register(app);
      const reserved = [{ field: "username", type: "reserved" }];
      const answers = [
        await request(app, "POST /api/auth/register", {
          body: { username, email: `x-${emailOf(mallory)}`, password: PASSWORD },
        }),
        await request(app, "PATCH /api/users/me", { token: mallory.token, body: { username } }),
      ];
      for (const { status, body } of answers)
        expect([status, body.type, body.data]).toEqual([409, "Conflict", reserved]);
      expect(await usersService().accounts.findByLogin(username)).toBeUndefined();
      const route = `PUT /api/users/${mallory.id}`;
      const given = await request(app, route, { token: admin.token, body: { username } });
      expect(given.body.username).toBe(username);
    },
  );

  it("is signing in with the old password while it is changed: gets no session", async () => {
    const alice = await register(app);
    const users = app.service("users") as unknown as UsersService;
    const body = { username: alice.username, password: PASSWORD };
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
    const answer = await request(app, "POST /api/auth/login", { body });
    spy.mockRestore();
    expect([answer.status, answer.body.type]).toEqual([401, "InvalidCredentials"]);
    // the owner's own session goes on, alone
    const { body: sessions } = await request(app, "GET /api/auth/sessions", { token: alice.token });
    expect(sessions.items.map(({ current }: { current: boolean }) => current)).toEqual([true]);
    expect(await canLogin(alice.username, NEW_PASSWORD)).toBe(true);
    // and that one is the only one that the trail tells of
    expect(await auditOf(app, { event: "login.succeeded", userId: alice.id })).toHaveLength(1);
  });

  it("uses a link twenty times at once: one wins, and later none", async () => {
    const alice = await register(app);
    const token = await linkFor(alice);
    const passwords = Array.from({ length: 20 }, (_, count) => `password number ${count}`);
    const answers = await Promise.all(passwords.map((password) => reset(token, password)));
    const winners = passwords.filter((_, index) => answers[index]!.status === 204);
    expect(winners).toHaveLength(1);
    for (const { status, body } of answers.filter((answer) => answer.status !== 204))
      expect([status, body.type]).toEqual([400, "LinkInvalid"]);
    expect((await reset(token)).body.type).toBe("LinkInvalid");
    expect(await canLogin(alice.username, winners[0]!)).toBe(true);
  });

  it.each([
    ["made up", () => randomBytes(32).toString("base64url")],
    [
      "the hash that is stored",
      (token: string) => createHash("sha256").update(token).digest("base64url"),
    ],
    ["cut", (token: string) => token.slice(0, -1)],
    ["longer", (token: string) => `${token}A`],
    ["in other letters", (token: string) => token.toUpperCase()],
    ["with spaces", (token: string) => ` ${token}`],
    ["SQL", () => "' or ''='"],
  ])("has a token that is %s", async (_, forge) => {
    const alice = await register(app);
    const token = await linkFor(alice);
    const { status, body } = await reset(forge(token));
    expect([status, body.type]).toEqual([400, "LinkInvalid"]);
    expect(await canLogin(alice.username, PASSWORD)).toBe(true);
  });

  it.each([null, 1, true, {}, [], ["a"], "", "x".repeat(201), "a\0b"])(
    "sends as the token %j",
    async (token) => {
      expect((await reset(token)).body.type).toBe("VALIDATION_ERROR");
    },
  );

  it("uses one link for the other purpose", async () => {
    const alice = await register(app);
    const forReset = await linkFor(alice);
    const { token: forAddress } = await mailTo(app, emailOf(alice), /e-mail address\?/);
    expect((await reset(forAddress!)).body.type).toBe("LinkInvalid");
    expect((await verify(forReset)).body.type).toBe("LinkInvalid");
    expect((await accountOf(alice)).email_verified_at).toBeNull();
    expect(await canLogin(alice.username, PASSWORD)).toBe(true);
  });

  it("uses their own link for somebody else's account", async () => {
    const [mallory, alice] = [await register(app), await register(app)];
    const token = await linkFor(mallory);
    for (const field of ["userId", "id", "email", "username", "sub"]) {
      const { status, body } = await request(app, "POST /api/auth/reset-password", {
        body: { token, newPassword: NEW_PASSWORD, [field]: alice.id },
      });
      expect([status, body.type]).toEqual([422, "VALIDATION_ERROR"]);
    }
    await reset(token);
    expect(await canLogin(alice.username, PASSWORD)).toBe(true);
    expect(await canLogin(alice.username, NEW_PASSWORD)).toBe(false);
  });

  it("takes an address that somebody else had verified", async () => {
    // a link to an address that was given up says nothing of who has it next
    const [mallory, alice] = [await register(app), await register(app)];
    const { token } = await mailTo(app, emailOf(mallory), /e-mail address\?/);
    await move(mallory, `${mallory.username}@example.net`);
    await move(alice, emailOf(mallory));
    expect((await verify(token)).body.type).toBe("LinkInvalid");
    for (const person of [mallory, alice])
      expect((await accountOf(person)).email_verified_at).toBeNull();
  });

  it("learns nothing by asking for a link: whoever has an account is answered before it is known", async () => {
    const alice = await register(app);
    const { accounts } = app.service("users") as unknown as UsersService;
    let isAnswered: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (isAnswered = resolve));
    const findByEmail = vi.spyOn(accounts, "findByEmail").mockImplementation(async (email) => {
      await answered;
      return UsersRepository.prototype.findByEmail.call(accounts, email);
    });
    try {
      const [known, unknown] = await Promise.all(
        [emailOf(alice), "nobody-at-all@example.com"].map(async (email) => {
          const { status, body, headers } = await forget({ email });
          const shown = [...headers].filter(
            ([name]) => !/^(date|x-request-id|ratelimit-.*)$/.test(name),
          );
          return { status, body, shown };
        }),
      );
      expect(known).toMatchObject({ status: 202, body: "" });
      expect(unknown).toEqual(known);
      await expect.poll(() => findByEmail).toHaveBeenCalledTimes(2);
    } finally {
      isAnswered();
      findByEmail.mockRestore();
    }
    await mailTo(app, emailOf(alice), /new password/);
  });

  it("learns nothing by the work that asking for a link causes: it is the same for everybody", async () => {
    const alice = await register(app);
    await mailTo(app, emailOf(alice), /address\?/);
    const make = vi.spyOn(LinksRepository.prototype, "make");
    const compose = vi.spyOn(Mailer.prototype, "rehearse");
    const unknown = `not-${emailOf(alice)}`;
    const countLinks = async () =>
      (await usersService().db.selectFrom("links").select("hash").execute()).length;
    const before = await countLinks();
    await forget({ email: unknown });
    await expect.poll(() => compose).toHaveBeenCalledTimes(1);
    expect(make).toHaveBeenCalledTimes(1);
    // nothing is left of it
    expect(await countLinks()).toBe(before);
    expect(mailsTo(app, unknown)).toEqual([]);
    for (const count of [1, 2, 3]) {
      await forget({ email: emailOf(alice) });
      await mailTo(app, emailOf(alice), /new password/, count);
    }
    expect(compose).toHaveBeenCalledTimes(1);
    // and the same behind the limit of an account
    await forget({ email: emailOf(alice) });
    await expect.poll(() => compose).toHaveBeenCalledTimes(2);
    expect(await countLinks()).toBe(before + 3);
    make.mockRestore();
    compose.mockRestore();
  });

  it("names a host where the link is to lead", async () => {
    const alice = await register(app);
    const { hostname, port } = new URL(app.url);
    const evil = "evil.example.com";
    const asking = httpRequest({
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
    const [response] = await once(asking, "response");
    expect(response.statusCode).toBe(202);
    response.resume();
    const { url, text } = await mailTo(app, emailOf(alice), /new password/);
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
  ])("asks for a link to %j", async (email) => {
    expect((await forget({ email })).body.type).toBe("VALIDATION_ERROR");
  });

  it.each(["\u202e", "\u200b", "\ufeff", "\u0007"])(
    "writes %j into an address",
    async (invisible) => {
      const mallory = await register(app);
      const before = await accountOf(mallory);
      const [username, email] = [`by-${mallory.username}`, `al${invisible}ice@example.com`];
      const body = { username, email, password: PASSWORD };
      const answers = [
        await request(app, "POST /api/auth/register", { body }),
        await request(app, "POST /api/users", { token: admin.token, body }),
        await move(mallory, email),
        await request(app, `PUT /api/users/${mallory.id}`, { token: admin.token, body: { email } }),
        await forget({ email }),
      ];
      for (const answer of answers)
        expect([answer.status, answer.body.type]).toEqual([422, "VALIDATION_ERROR"]);
      expect(await accountOf(mallory)).toEqual(before);
      expect(await usersService().accounts.findByLogin(username)).toBeUndefined();
    },
  );

  const FIELDS = {
    roles: ["admin"],
    subjectType: "SuperUserAccount",
    subject_type: "SuperUserAccount",
    emailVerified: true,
    emailVerifiedAt: "2026-01-01T00:00:00Z",
    passwordHash: "x",
    id: "119bb83a-0000-4000-8000-000000000000",
  };

  it.each(Object.entries(FIELDS))("says their own %s", async (field, value) => {
    const username = `mallory-${randomBytes(4).toString("hex")}`;
    const made = await request(app, "POST /api/auth/register", {
      body: { username, email: `${username}@example.com`, password: PASSWORD, [field]: value },
    });
    expect(made.status).toBe(422);
    expect(await canLogin(username, PASSWORD)).toBe(false);
    const mallory = await register(app);
    const before = await accountOf(mallory);
    const routes = [["PATCH /api/users/me", mallory.token]];
    if (field !== "id") routes.push([`PUT /api/users/${mallory.id}`, admin.token]);
    for (const [route, token] of routes) {
      const body = { username: "changed", [field]: value };
      expect((await request(app, route!, { token, body })).status).toBe(422);
    }
    expect(await accountOf(mallory)).toEqual(before);
  });

  /** A token that auth would never sign: its key was stolen. */
  const forge = (person: Person, changes: object) =>
    signJwt(
      { ...claimsOf(person.token), ...changes },
      { ...stolenKey(app, "auth"), typ: ACCESS_TOKEN_TYPE },
    );

  const MANAGEMENT = [
    ["POST /api/users", { username: "made-up", email: "made-up@example.com", password: PASSWORD }],
    ["PUT /api/users/:id", { username: "made-up" }],
    ["PUT /api/users/:id", { password: NEW_PASSWORD }],
    ["PUT /api/users/:id/roles", { roles: ["user"] }],
    ["DELETE /api/users/:id", undefined],
  ] as const;

  it.each(MANAGEMENT)("holds every permission, but is no staff: %s %j", async (route, body) => {
    const [mallory, victim] = [await register(app), await register(app)];
    const before = await accountOf(victim);
    const { permissions } = claimsOf(admin.token);
    for (const subjectType of [
      "EndUserAccount",
      "ServiceAccount",
      "ImpersonatedUserAccount",
      "EndUserApplication",
    ]) {
      const token = forge(mallory, { subjectType, permissions });
      const answer = await request(app, route.replace(":id", victim.id), { token, body });
      expect([answer.status, answer.body.data]).toEqual([403, { subjectType }]);
    }
    expect(await accountOf(victim)).toEqual(before);
    expect(await canLogin("made-up", PASSWORD)).toBe(false);
  });

  it.each([
    ["PATCH /api/users/me", { username: "made-up" }],
    ["POST /api/auth/password", { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }],
    ["POST /api/auth/verify-email/resend", {}],
  ])("acts in somebody's name: %s", async (route, body) => {
    const alice = await register(app);
    const before = await accountOf(alice);
    for (const subjectType of ["ImpersonatedUserAccount", "ServiceAccount"]) {
      const token = forge(alice, { subjectType });
      const answer = await request(app, route, { token, body });
      expect([answer.status, answer.body.type]).toEqual([403, "UserNotAuthorized"]);
    }
    expect(await accountOf(alice)).toEqual(before);
  });

  it.each(MANAGEMENT.slice(1))(
    "is staff, and manages who may do more: %s %j",
    async (route, body) => {
      // not users:read, which moderators hold
      const permissions = { users: ["write", "grant"], posts: ["write"], chat: ["write"] };
      const helper = await register(app);
      const token = forge(helper, { subjectType: "UserAccount", permissions });
      const target = await register(app);
      const put = `PUT /api/users/${target.id}/roles`;
      await request(app, put, { token: admin.token, body: { roles: ["moderator"] } });
      const before = await accountOf(target);
      const answer = await request(app, route.replace(":id", target.id), { token, body });
      expect([answer.status, answer.body.type]).toEqual([403, "UserNotAuthorized"]);
      expect(await accountOf(target)).toEqual(before);
      // whom they may manage, they cannot lift above themselves
      const equal = await register(app);
      const lift = await request(app, `PUT /api/users/${equal.id}/roles`, {
        token,
        body: { roles: ["moderator"] },
      });
      expect([lift.status, lift.body.data]).toEqual([403, { permission: "posts:moderate" }]);
      expect((await accountOf(equal)).roles).toEqual(["user"]);
      expect(
        (await request(app, route.replace(":id", equal.id), { token, body })).status,
      ).toBeLessThan(300);
    },
  );

  it("is staff, and has but the token: sets neither their own password nor their own address", async () => {
    const before = await accountOf(admin);
    for (const body of [{ password: NEW_PASSWORD }, { email: "mallory@example.com" }]) {
      const answer = await request(app, `PUT /api/users/${admin.id}`, { token: admin.token, body });
      expect([answer.status, answer.body.type]).toEqual([403, "UserNotAuthorized"]);
      expect(answer.body.message).toMatch(/PATCH \/api\/users\/me.*POST \/api\/auth\/password/);
    }
    expect(await accountOf(admin)).toEqual(before);
    expect((await request(app, "GET /api/users/me", { token: admin.token })).status).toBe(200);
  });

  it.each([
    ["removed", "PUT /api/users/:id", { password: NEW_PASSWORD }],
    ["demoted", "PUT /api/users/:id", { password: NEW_PASSWORD }],
    ["removed", "POST /api/users", undefined],
  ])("is staff, and is %s while a password waits for its hash: %s", async (how, route, given) => {
    const [helper, victim] = [await register(app), await register(app)];
    const roles = (names: string[]) =>
      request(app, `PUT /api/users/${helper.id}/roles`, {
        token: admin.token,
        body: { roles: names },
      });
    expect((await roles(["admin"])).status).toBe(200);
    const { token } = await login(app, helper.username, PASSWORD);
    const type = how === "removed" ? "AccessTokenRevoked" : "AccessTokenExpired";
    const before = await accountOf(victim);
    const { passwords, broker, accounts } = usersService();
    const hash = passwords.hash.bind(passwords);
    const spy = vi.spyOn(passwords, "hash").mockImplementationOnce(async (...args) => {
      const { status } =
        how === "removed"
          ? await request(app, `DELETE /api/users/${helper.id}`, { token: admin.token })
          : await roles(["user"]);
      expect(status).toBeLessThan(300);
      // each node hears of it by itself
      const recall = async () => accessTokenVerifierOf(broker).verify(token);
      await vi.waitFor(() => expect(recall()).rejects.toMatchObject({ type }), 10_000);
      return hash(...args);
    });
    const username = `by-${helper.username}`;
    const body = given ?? { username, email: `${username}@example.com`, password: PASSWORD };
    const answer = await request(app, route.replace(":id", victim.id), { token, body });
    spy.mockRestore();
    expect([answer.status, answer.body.type]).toEqual([401, type]);
    expect(await accountOf(victim)).toEqual(before);
    expect(await accounts.findByLogin(username)).toBeUndefined();
    // nor were anybody's sessions ended
    expect((await request(app, "GET /api/users/me", { token: victim.token })).status).toBe(200);
  });

  it("asks for links to everybody", async () => {
    const meta = { client: { address: "192.0.2.1" } };
    const ask = (email: string) =>
      callFrom(app, "api", "users.forgotPassword", { email }, { meta });
    const [alice, bob] = [await register(app), await register(app)];
    await Promise.all(Array.from({ length: 100 }, (_, n) => ask(`nobody-${n}@example.com`)));
    expect(await ask(emailOf(alice))).toBeFalsy();
    // asked for later, from elsewhere
    await linkFor(bob);
    const subjects = mailsTo(app, emailOf(alice)).map(({ subject }) => subject);
    expect(subjects).toEqual([expect.stringMatching(/e-mail address\?/)]);
  });

  it("moves an account from address to address, each of which gets mail", async () => {
    const mallory = await register(app);
    const moveOn = (n: number) => move(mallory, `${mallory.username}-${n}@example.com`);
    for (let n = 1; n <= 10; n += 1) expect((await moveOn(n)).status).toBe(200);
    // it is moved nowhere by that
    expect((await moveOn(10)).status).toBe(200);
    const { status, headers } = await moveOn(11);
    expect(status).toBe(429);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await accountOf(mallory)).email).toBe(`${mallory.username}-10@example.com`);
  });

  it("chooses a name that would stand in mails to others", async () => {
    const alice = await register(app, "win-money.example.com");
    await linkFor(alice);
    for (const { text } of mailsTo(app, emailOf(alice))) expect(text).not.toContain("win-money");
  });
});
