import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { usersOf } from "../helpers/accounts.ts";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { PASSWORD, register, request, requestFrom } from "../helpers/http.ts";
import { mailsTo, mailTo, SUBJECTS } from "../helpers/mail.ts";

const newAccount = () => {
  const username = `user-${randomBytes(5).toString("hex")}`;
  return { username, email: `${username}@example.com`, password: PASSWORD };
};

describe.skipIf(isMissing)("POST /api/auth/register, sent many times,", () => {
  const ROUTE = "POST /api/auth/register";
  let app: App;

  beforeAll(async () => {
    app = await sharedApp();
  });
  afterEach(() => vi.restoreAllMocks());

  const signUp = (body: object) => request(app, ROUTE, { body });

  /** Blocks all password hashes until `open` is called. */
  const blockHashing = () => {
    const { passwords, registrations } = usersOf(app);
    const make = passwords.hash.bind(passwords);
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const hash = vi.spyOn(passwords, "hash").mockImplementation(async (...given) => {
      await opened;
      return make(...given);
    });
    return { hash, wait: vi.spyOn(registrations, "run"), open };
  };

  it("refuses a username that is taken before it hashes the password", async () => {
    const { username } = await register(app);
    const hash = vi.spyOn(usersOf(app).passwords, "hash");
    const { status, body } = await signUp({ ...newAccount(), username: username.toUpperCase() });
    const data = [{ field: "username", type: "taken" }];
    expect([status, body.type, body.data]).toEqual([409, "Conflict", data]);
    expect(hash).not.toHaveBeenCalled();
  });

  it("hashes two passwords of one network at a time, while other networks go on", async () => {
    const { hash, wait, open } = blockHashing();
    const many = Array.from({ length: 6 }, () => signUp(newAccount()));
    await expect.poll(() => wait).toHaveBeenCalledTimes(6);
    await expect.poll(() => hash).toHaveBeenCalledTimes(2);
    const other = requestFrom(app, "127.0.0.2", ROUTE, newAccount());
    await expect.poll(() => hash).toHaveBeenCalledTimes(3);
    open();
    for (const { status } of await Promise.all([...many, other])) expect(status).toBe(201);
  });

  it("creates fifty accounts from one address at once, and refuses those beyond its queue", async () => {
    const crowd = (size: number) =>
      Promise.all(Array.from({ length: size }, () => signUp(newAccount())));
    for (const { status } of await crowd(50)) expect(status).toBe(201);
    const { wait, open } = blockHashing();
    const responses = crowd(80);
    await expect.poll(() => wait).toHaveBeenCalledTimes(80);
    open();
    const statuses = (await responses).map(({ status }) => status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(80 - 50);
    expect(statuses.filter((status) => status === 201)).toHaveLength(50);
  });

  it("mails one mailbox six times at most, whatever the tags of its address", async () => {
    const { username } = newAccount();
    const addresses = Array.from({ length: 9 }, (_, at) =>
      at % 2 ? `${username}+${at}@Example.com` : `${username.toUpperCase()}+x${at}@example.com`,
    );
    /** The tokens of the links that were mailed, in either case of the address. */
    const received = () =>
      new Set(
        addresses
          .flatMap((address) => [...mailsTo(app, address), ...mailsTo(app, address.toLowerCase())])
          .map(({ token }) => token),
      );
    for (const email of addresses)
      expect((await signUp({ ...newAccount(), email })).status).toBe(201);
    await expect.poll(() => received().size).toBe(6);
    // mails are written in order: a seventh one would have been written before this one
    const last = newAccount();
    await signUp(last);
    await mailTo(app, last.email, SUBJECTS.verifyEmail);
    expect(received().size).toBe(6);
  });

  it("refuses the 201st account of one network in an hour before it hashes the password", async () => {
    await sql`insert into users.login_limits (key, points, expire)
      values ('registrations:127.0.0.77', 199, ${Date.now() + 600_000})`.execute(usersOf(app).db);
    const registerOne = () => requestFrom(app, "127.0.0.77", ROUTE, newAccount());
    expect((await registerOne()).status).toBe(201);
    const hash = vi.spyOn(usersOf(app).passwords, "hash");
    const { status, body } = await registerOne();
    expect([status, body.type]).toEqual([429, "TooManyRequests"]);
    expect(body.data.retryAfter).toBeGreaterThan(500);
    expect(hash).not.toHaveBeenCalled();
    expect((await requestFrom(app, "127.0.0.78", ROUTE, newAccount())).status).toBe(201);
  });
});
