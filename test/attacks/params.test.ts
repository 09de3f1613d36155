import { beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, sharedApp } from "../helpers/app.ts";
import { PASSWORD, type Person, register, request } from "../helpers/http.ts";

describe.skipIf(isMissing)("Parameters", () => {
  let app: App;
  let alice: Person;

  beforeAll(async () => {
    app = await sharedApp();
    alice = await register(app, "alice");
  });

  const fieldsOf = ({ data }: { data: { field: string }[] }) => data.map(({ field }) => field);

  it.each([
    `${"@.".repeat(47_000)} x`,
    `${"a".repeat(90_000)}@`,
    `"${'"'.repeat(45_000)}`,
    `a@${"a.".repeat(45_000)}`,
  ])("that are long and nearly e-mail addresses are refused at once", async (email) => {
    const { status, body } = await request(app, "POST /api/auth/register", {
      body: { username: "slow", email, password: PASSWORD },
    });
    expect(status).toBe(422);
    expect(fieldsOf(body)).toContain("email");
  });

  it.each([
    ["PATCH /api/users/me", { username: null }, "username"],
    ["PATCH /api/users/me", { email: null }, "email"],
    ["POST /api/posts", { title: null, body: "There" }, "title"],
    ["POST /api/chat/rooms/lobby/messages", { text: "Hi", clientId: null }, "clientId"],
  ])("of %s are not null: %j", async (route, sent, field) => {
    const { status, body } = await request(app, route, { token: alice.token, body: sent });
    expect(status).toBe(422);
    expect(fieldsOf(body)).toEqual([field]);
  });

  it.each([
    ["POST /api/posts", { title: "a\0b", body: "There" }, "title"],
    ["POST /api/posts", { title: "Hi", body: "a\0b" }, "body"],
    ["POST /api/posts", { title: "half \ud800 a pair", body: "There" }, "title"],
    ["PATCH /api/users/me", { email: "a\0b@example.com" }, "email"],
    ["POST /api/chat/rooms/lobby/messages", { text: "a\0b" }, "text"],
    ["POST /api/chat/rooms/a%00b/messages", { text: "Hi" }, "id"],
    ["GET /api/users?query=a%00b", undefined, "query"],
  ])("of %s have no NUL and no half of a character: %j", async (route, sent, field) => {
    const { status, body } = await request(app, route, { token: alice.token, body: sent });
    expect(status).toBe(422);
    expect(fieldsOf(body)).toEqual([field]);
  });

  it.each([
    "limit=true",
    "limit[]=1",
    "limit[]=1&limit[]=2",
    "limit[a]=1",
    "limit=0x10",
    "limit=1e1",
    "limit=%201",
    "limit=",
    "limit=101",
    "limit=1.5",
  ])("that are numbers are numerals, not %s", async (query) => {
    const { status, body } = await request(app, `GET /api/posts?${query}`);
    expect(status).toBe(422);
    expect(fieldsOf(body)).toEqual(["limit"]);
  });

  it("that are unknown are reported by name, without their values", async () => {
    const { status, body } = await request(app, "POST /api/posts", {
      token: alice.token,
      body: { titel: "hush-hush", body: "There", "s3cret pass": 1, __x: 1, ["x".repeat(33)]: 1 },
    });
    expect(status).toBe(422);
    expect(body.data).toEqual([
      { field: "title", type: "required", message: "The 'title' field is required." },
      {
        field: "titel",
        type: "objectStrict",
        message: "This field is unknown. Accepted fields: title, body.",
      },
    ]);
    expect(JSON.stringify(body)).not.toMatch(/hush|s3cret|__x|xxx/);
  });

  it("that are unknown and have unusual names are reported without their names", async () => {
    const { body } = await request(app, "POST /api/posts", {
      token: alice.token,
      body: { title: "Hi", body: "There", "<b>": 1 },
    });
    const message = "There is an unknown field. Accepted fields: title, body.";
    expect(body.data).toEqual([{ type: "objectStrict", message }]);
  });

  it("that do not match a pattern are reported with its explanation", async () => {
    const { body } = await request(app, "PATCH /api/users/me", {
      token: alice.token,
      body: { username: "_alice" },
    });
    const message =
      "Must begin with a letter or digit, and have only letters, digits, '.', '_' and '-'.";
    expect(body.data).toEqual([{ field: "username", type: "stringPattern", message }]);
  });

  it("that are unknown are reported with at most 20 findings", async () => {
    const { status, body } = await request(app, "POST /api/posts", {
      token: alice.token,
      body: Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`field${at}`, at])),
    });
    expect(status).toBe(422);
    expect(body.data).toHaveLength(20);
  });

  it.each(["2147483648", "-1", "1e3"])(
    "of a room's messages are refused with 'after' %s",
    async (after) => {
      const route = `GET /api/chat/rooms/lobby/messages?after=${after}`;
      const { status, body } = await request(app, route, { token: alice.token });
      expect(status).toBe(422);
      expect(fieldsOf(body)).toEqual(["after"]);
    },
  );
});
