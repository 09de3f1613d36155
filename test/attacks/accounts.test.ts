import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ACCESS_TOKEN_TYPE } from "../../lib/tokens/access-token.ts";
import { signJwt } from "../../lib/tokens/jwt.ts";
import { accessTokenVerifierOf } from "../../middlewares/auth/index.ts";
import { UsersRepository } from "../../services/users/users.repository.ts";
import type UsersService from "../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { auditOf } from "../helpers/audit.ts";
import { stolenKey } from "../helpers/attacker.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, login, PASSWORD, type Person, register, request } from "../helpers/http.ts";
import { mailsTo, mailTo } from "../helpers/mail.ts";
import { claimsOf } from "../helpers/tokens.ts";

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
    request(app, "PATCH /api/users/me", { token, body: { email } });
  /** Somebody who has shown to read what comes to their address. */
  const verified = async () => {
    const person = await register(app);
    const { token } = await mailTo(app, emailOf(person), /e-mail address\?/);
    expect((await verify(token)).status).toBe(204);
    return person;
  };

  it("moves the address with a stolen token: links go to the old one still, and set the password", async () => {
    const alice = await verified();
    const mallorys = `mallory-${alice.username}@example.com`;
    expect((await move(alice, mallorys)).status).toBe(200);
    expect((await verify((await mailTo(app, mallorys, /address/)).token)).status).toBe(204);
    // a second move does not push the owner's address out
    const next = `next-${mallorys}`;
    await move(alice, next);
    // the owner is told of each move, and whoever made it of none
    const { text } = await mailTo(app, emailOf(alice), /changed/, 2);
    expect(text).toContain("three days");
    expect(mailsTo(app, mallorys).some(({ subject }) => /changed/.test(subject))).toBe(false);
    await forget({ email: next });
    const { token } = await mailTo(app, emailOf(alice), /new password/);
    for (const address of [mallorys, next])
      expect(mailsTo(app, address).map(({ subject }) => subject)).not.toContainEqual(
        expect.stringMatching(/new password/),
      );
    expect((await reset(token, "the owner's horse")).status).toBe(204);
    expect(await canLogin(alice.username, "the owner's horse")).toBe(true);
    expect((await request(app, "GET /api/users/me", { token: alice.token })).body.type).toBe(
      "AccessTokenRevoked",
    );
    // the account has its address back, and nothing is left of the other one
    expect(await accountOf(alice)).toMatchObject({
      email: emailOf(alice),
      email_verified_at: expect.any(Date),
      recovery_email: null,
      recovery_until: null,
    });
    await mailTo(app, emailOf(alice), /e-mail address set back/);
    await forget({ email: next });
    await linkFor(await register(app));
    expect(mailsTo(app, next).some(({ subject }) => /new password/.test(subject))).toBe(false);
    const [entry] = await auditOf(app, { event: "account.changed", userId: alice.id });
    expect(entry).toMatchObject({ actorId: alice.id, data: { fields: ["email"] } });
  });

  it("takes the old address of the account that they moved, which links go to still", async () => {
    const [alice, mallory] = [await verified(), await register(app)];
    const taken = [{ field: "email", type: "taken" }];
    const email = emailOf(alice).toUpperCase();
    const dummy = (username: string) => ({ username, email, password: PASSWORD });
    // at once with the move: the address is the account's before it and after it
    const [moved, ...refused] = await Promise.all([
      move(alice, `mallory-${emailOf(alice)}`),
      ...[1, 2, 3].map((n) =>
        request(app, "POST /api/auth/register", { body: dummy(`${alice.username}-${n}`) }),
      ),
    ]);
    expect(moved.status).toBe(200);
    const body = dummy(`${alice.username}-4`);
    refused.push(await request(app, "POST /api/auth/register", { body }));
    refused.push(await request(app, "POST /api/users", { token: admin.token, body }));
    refused.push(await move(mallory, email));
    for (const answer of refused)
      expect([answer.status, answer.body.type, answer.body.data]).toEqual([409, "Conflict", taken]);
    const { accounts } = app.service("users") as unknown as UsersService;
    await expect(
      accounts.insert({
        username: body.username,
        email,
        passwordHash: "x",
        roles: [],
        subjectType: "EndUserAccount",
      }),
    ).rejects.toMatchObject({ type: "Conflict", data: taken });
    for (const n of [1, 2, 3, 4])
      expect(await accounts.findByLogin(`${alice.username}-${n}`)).toBeUndefined();
    expect((await accountOf(mallory)).email).toBe(emailOf(mallory));
    expect((await accounts.findByEmail(email))?.id).toBe(alice.id);
    // the account itself may have it again
    expect((await move(alice, emailOf(alice))).status).toBe(200);
  });

  it("had moved the account before its address was set right: has no way back", async () => {
    const mallorys = (person: Person) => `mallory-${emailOf(person)}`;
    const moved = async () => {
      const person = await verified();
      await move(person, mallorys(person));
      expect((await verify((await mailTo(app, mallorys(person), /address\?/)).token)).status).toBe(
        204,
      );
      return person;
    };
    const [alice, bob, carol] = [await moved(), await moved(), await verified()];
    const setRight = [
      [alice, `PUT /api/users/${alice.id}`, admin.token, emailOf(alice), {}],
      [bob, "PATCH /api/users/me", bob.token, emailOf(bob), { currentPassword: PASSWORD }],
      // an address that is given up for good is free
      [carol, "PATCH /api/users/me", carol.token, mallorys(carol), { currentPassword: PASSWORD }],
    ] as const;
    for (const [person, route, token, email, rest] of setRight) {
      expect((await request(app, route, { token, body: { email, ...rest } })).status).toBe(200);
      expect(await accountOf(person)).toMatchObject({
        email,
        email_verified_at: null,
        recovery_email: null,
        recovery_until: null,
      });
    }
    const { text } = await mailTo(app, emailOf(carol), /changed/);
    expect(text).not.toContain("three days");
    for (const address of [mallorys(alice), mallorys(bob), emailOf(carol)])
      await forget({ email: address });
    await linkFor(alice);
    for (const address of [mallorys(alice), mallorys(bob), emailOf(carol)])
      expect(mailsTo(app, address).some(({ subject }) => /new password/.test(subject))).toBe(false);
    expect((await move(await register(app), emailOf(carol))).status).toBe(200);
  });

  it("moves the address for good with a guessed password: it stays, and the guesses are limited", async () => {
    const alice = await verified();
    const before = await accountOf(alice);
    const body = { email: `mallory-${emailOf(alice)}`, currentPassword: "a wrong guess" };
    const guess = () => request(app, "PATCH /api/users/me", { token: alice.token, body });
    for (let n = 0; n < 10; n += 1) expect((await guess()).body.type).toBe("InvalidCredentials");
    expect((await guess()).body.type).toBe("TooManyRequests");
    const alone = { username: "changed", currentPassword: PASSWORD };
    const { body: refused } = await request(app, "PATCH /api/users/me", {
      token: alice.token,
      body: alone,
    });
    expect(refused.type).toBe("VALIDATION_ERROR");
    expect(await accountOf(alice)).toEqual(before);
    const [entry] = await auditOf(app, { event: "login.failed", userId: alice.id });
    expect(entry).toMatchObject({ subjectId: alice.id, data: { reason: "password" } });
  });

  it("has taken an address before a link to it, which is three days old by then, is used", async () => {
    const alice = await verified();
    await move(alice, `mallory-${emailOf(alice)}`);
    const token = await linkFor(alice);
    await usersService()
      .db.updateTable("accounts")
      .set({ recovery_until: new Date() })
      .where("id", "=", alice.id)
      .execute();
    // what the link was mailed to counts, not where one would go now
    const bob = await register(app);
    expect((await move(bob, emailOf(alice))).status).toBe(200);
    expect((await reset(token, "the owner's horse")).status).toBe(204);
    expect(await canLogin(alice.username, "the owner's horse")).toBe(true);
    expect(await accountOf(alice)).toMatchObject({
      email: `mallory-${emailOf(alice)}`,
      email_verified_at: null,
    });
    expect((await accountOf(bob)).email).toBe(emailOf(alice));
  });

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
