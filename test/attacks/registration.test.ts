import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type UsersService from "../../services/users/users.service.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { PASSWORD, register, request, requestFrom } from "../helpers/http.ts";
import { mailsTo, mailTo } from "../helpers/mail.ts";

const somebody = () => {
  const username = `user-${randomBytes(5).toString("hex")}`;
  return { username, email: `${username}@example.com`, password: PASSWORD };
};

describe.skipIf(isMissing)("somebody who registers without end", () => {
  const ROUTE = "POST /api/auth/register";
  let app: App;

  beforeAll(async () => {
    app = await startApp();
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => app?.stop());

  const users = () => app.service("users") as unknown as UsersService;
  const signUp = (body: object) => request(app, ROUTE, { body });

  /** Every hash waits until this is opened. */
  const hold = () => {
    const { passwords, registrations } = users();
    const make = passwords.hash.bind(passwords);
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const hash = vi.spyOn(passwords, "hash").mockImplementation(async (...given) => {
      await opened;
      return make(...given);
    });
    return { hash, wait: vi.spyOn(registrations, "run"), open };
  };

  it("with what is taken: no password is hashed for it", async () => {
    const { username } = await register(app);
    const hash = vi.spyOn(users().passwords, "hash");
    const { status, body } = await signUp({ ...somebody(), username: username.toUpperCase() });
    const data = [{ field: "username", type: "taken" }];
    expect([status, body.type, body.data]).toEqual([409, "Conflict", data]);
    expect(hash).not.toHaveBeenCalled();
  });

  it("has two hashed at once, and others from elsewhere do not wait for the rest", async () => {
    const { hash, wait, open } = hold();
    const many = Array.from({ length: 6 }, () => signUp(somebody()));
    await expect.poll(() => wait).toHaveBeenCalledTimes(6);
    await expect.poll(() => hash).toHaveBeenCalledTimes(2);
    const other = requestFrom(app, "127.0.0.2", ROUTE, somebody());
    await expect.poll(() => hash).toHaveBeenCalledTimes(3);
    open();
    for (const { status } of await Promise.all([...many, other])) expect(status).toBe(201);
  });

  it("gets no more than so many into the line; fifty people behind one address all get through", async () => {
    const crowd = (size: number) =>
      Promise.all(Array.from({ length: size }, () => signUp(somebody())));
    for (const { status } of await crowd(50)) expect(status).toBe(201);
    const { wait, open } = hold();
    const answers = crowd(80);
    await expect.poll(() => wait).toHaveBeenCalledTimes(80);
    open();
    const statuses = (await answers).map(({ status }) => status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(80 - 50);
    expect(statuses.filter((status) => status === 201)).toHaveLength(50);
  });

  it("with tags on one mailbox's address: the mailbox gets a few mails, and the answers say nothing", async () => {
    const { username } = somebody();
    const addresses = Array.from({ length: 9 }, (_, at) =>
      at % 2 ? `${username}+${at}@Example.com` : `${username.toUpperCase()}+x${at}@example.com`,
    );
    /** The links that came, whatever the case of the address. */
    const received = () =>
      new Set(
        addresses
          .flatMap((address) => [...mailsTo(app, address), ...mailsTo(app, address.toLowerCase())])
          .map(({ token }) => token),
      );
    for (const email of addresses)
      expect((await signUp({ ...somebody(), email })).status).toBe(201);
    await expect.poll(() => received().size).toBe(6);
    // mails go in order: what would come has come before this one
    const last = somebody();
    await signUp(last);
    await mailTo(app, last.email, /your e-mail address/);
    expect(received().size).toBe(6);
  });

  it("from one network: no more than so many accounts in an hour, and none is hashed for", async () => {
    await sql`insert into users.login_limits (key, points, expire)
      values ('registrations:127.0.0.77', 199, ${Date.now() + 600_000})`.execute(users().db);
    const one = () => requestFrom(app, "127.0.0.77", ROUTE, somebody());
    expect((await one()).status).toBe(201);
    const hash = vi.spyOn(users().passwords, "hash");
    const { status, body } = await one();
    expect([status, body.type]).toEqual([429, "TooManyRequests"]);
    expect(body.data.retryAfter).toBeGreaterThan(500);
    expect(hash).not.toHaveBeenCalled();
    expect((await requestFrom(app, "127.0.0.78", ROUTE, somebody())).status).toBe(201);
  });
});
