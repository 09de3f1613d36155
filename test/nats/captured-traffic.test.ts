import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serviceNames } from "../../lib/contract/load.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { connectRaw, type RawClient, steal } from "../helpers/attacker.ts";
import { auditOf } from "../helpers/audit.ts";
import { administrator, request } from "../helpers/http.ts";
import { mailTo } from "../helpers/mail.ts";
import { connect, nextMessage } from "../helpers/socket.ts";
import { refresh } from "../helpers/tokens.ts";

/** The part of a text's base64 that does not depend on the bytes around it, for each of the three alignments. */
const inBase64 = (text: string): string[] =>
  [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]);
    const encoded = bytes.toString("base64").replaceAll("=", "");
    // leaves out characters that also hold bits of the neighbours
    const start = [0, 2, 3][offset];
    const end = bytes.length % 3 === 0 ? encoded.length : encoded.length - 1;
    return encoded.slice(start, end);
  });

/** The encodings in which a packet could contain a text. */
const formsOf = (text: string): string[] => {
  const base64 = inBase64(text);
  const urlSafe = base64.map((one) => one.replaceAll("+", "-").replaceAll("/", "_"));
  const escaped = JSON.stringify(text).slice(1, -1);
  return [...new Set([text, escaped, JSON.stringify(escaped).slice(1, -1), ...base64, ...urlSafe])];
};

/** A unique secret, with characters that JSON escapes. */
const secret = (what: string) => `${what} "${randomUUID()}" ä\\`;

describe.skipIf(isMissing)("The traffic over NATS", () => {
  let app: App;
  let raw: RawClient;
  /** Secrets that were sent, by their description. */
  const planted = new Map<string, string>();

  const plant = (what: string, text: string = secret(what)): string => {
    expect({ what, text }).toEqual({ what, text: expect.any(String) });
    planted.set(`${what} ${planted.size}`, text);
    return text;
  };

  const found = () => {
    const traffic = Buffer.concat(raw.captured.map(({ data }) => data));
    return [...planted].flatMap(([what, text]) =>
      formsOf(text).some((form) => traffic.includes(form)) ? [what] : [],
    );
  };

  beforeAll(async () => {
    app = await startApp();
    raw = await connectRaw(app);
  });
  afterAll(async () => {
    await raw?.close();
    await app?.stop();
  });

  const post = async (route: string, options: object, status: number) => {
    const response = await request(app, `POST ${route}`, options);
    expect([route, response.status]).toEqual([route, status]);
    return response.body;
  };

  const plantTokens = ({ access_token, refresh_token }: any): string => {
    plant("refresh token", refresh_token);
    return plant("access token", access_token);
  };

  /** Registers an account whose e-mail address, password and tokens are planted. */
  const registerPlanted = async (username: string) => {
    const email = plant("e-mail address", `${randomUUID()}@example.com`);
    const password = plant("password");
    const body = { username, email, password };
    const registered = await post("/api/auth/register", { body }, 201);
    const token = plantTokens(registered);
    return { ...body, id: registered.user.id, refreshToken: registered.refresh_token, token };
  };

  const useAccounts = async () => {
    const alice = await registerPlanted(`alice-${randomUUID().slice(0, 8)}`);
    const { username } = alice;
    const wrong = { username, password: plant("wrong password") };
    await post("/api/auth/login", { body: wrong }, 401);
    const login = await post(
      "/api/auth/login",
      { body: { ...wrong, password: alice.password } },
      200,
    );
    const token = plantTokens(login);
    plantTokens((await refresh(app, login.refresh_token)).body);
    const newPassword = plant("new password");
    const change = { currentPassword: alice.password, newPassword };
    await post("/api/auth/password", { token, body: change }, 204);
    await post("/api/auth/forgot-password", { body: { email: alice.email } }, 202);
    const { token: resetToken } = await mailTo(app, alice.email, /new password/);
    plant("reset token", resetToken);
    return { ...alice, token };
  };

  const usePosts = async (token: string) => {
    const body = { title: plant("title"), body: plant("body") };
    const { id } = await post("/api/posts", { token, body }, 201);
    expect((await request(app, `GET /api/posts/${id}`)).body.body).toBe(body.body);
    expect((await request(app, "GET /api/posts")).body.items).toHaveLength(1);
    // a request body that the validator refuses
    const invalid = { title: plant("title"), body: plant("body"), [plant("key")]: 1 };
    await post("/api/posts", { token, body: invalid }, 422);
  };

  const useChat = async (token: string, other: string) => {
    const sockets = [await connect(app, token), await connect(app, other)];
    const text = plant("message");
    const arriving = nextMessage(sockets[1]!, text);
    await sockets[0]!.emitWithAck("message", { text });
    expect(await arriving).toMatchObject({ text });
    for (const socket of sockets) socket.close();
  };

  const useAdministration = async (userId: string) => {
    plant("administrator's password", "the first administrator");
    const { token, refreshToken } = await administrator(app);
    plantTokens({ access_token: token, refresh_token: refreshToken });
    const robot = { name: `robot ${randomUUID()}`, permissions: ["posts:write"] };
    const account = await post("/api/auth/service-accounts", { token, body: robot }, 201);
    const { client_id } = account;
    const client_secret = plant("service account's secret", account.client_secret);
    const grant = { grant_type: "client_credentials", client_id, client_secret };
    const body = new URLSearchParams(grant).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const issued = await post("/api/auth/token", { body, headers }, 200);
    plant("access token", issued.access_token);
    const acting = await post("/api/auth/impersonate", { token, body: { userId } }, 200);
    plant("access token", acting.access_token);
    await post("/api/chat/announcements", { token, body: { text: plant("announcement") } }, 204);
    const listed = await request(app, "GET /api/users", { token });
    expect(listed.status).toBe(200);
    expect((await auditOf(app, { event: "login.failed" })).length).toBeGreaterThan(0);
  };

  it("contains no password, token, text, e-mail address, credential or key", async () => {
    for (const service of serviceNames()) {
      const credential = plant("credential", steal(app, service, "auth_token"));
      plant("credential's secret", credential.slice(credential.lastIndexOf(".") + 1));
    }
    const pem = plant("signing key", steal(app, "guard", "signing_key"));
    plant("signing key in PEM", pem.split("\n")[1]);

    const alice = await useAccounts();
    const bob = await registerPlanted(`bob-${randomUUID().slice(0, 8)}`);
    await usePosts(bob.token);
    await useChat(bob.token, alice.token);
    await useAdministration(alice.id);
    expect(await request(app, "GET /api/users/me", { token: `${bob.token}x` })).toMatchObject({
      status: 401,
    });
    await post("/api/auth/logout", { token: bob.token }, 204);
    await raw.nats.flush();

    const ours = raw.captured.filter(({ subject }) => subject.startsWith(`${raw.prefix}.`));
    expect(ours.length).toBeGreaterThan(100);
    expect(
      new Set(ours.map(({ subject }) => subject.slice(raw.prefix.length).split(".")[1])),
    ).toEqual(new Set(["SEAL"]));
    expect(found()).toEqual([]);
  });

  it.each<[string, (text: string) => string | Buffer]>([
    ["as plain text", (text) => `{"a":"${text}"}`],
    ["in JSON", (text) => JSON.stringify({ text })],
    ["in JSON within JSON", (text) => JSON.stringify(JSON.stringify({ text }))],
    ["in base64", (text) => Buffer.from(`x${text}y`).toString("base64")],
    ["in base64url", (text) => Buffer.from(`xx${text}yy`).toString("base64url")],
  ])("is searched for a secret %s", async (_how, encode) => {
    const what = plant("canary");
    const before = raw.captured.length;
    raw.nats.publish("elsewhere", encode(what));
    await raw.nats.flush();
    await expect.poll(() => raw.captured.length).toBeGreaterThan(before);
    expect(found()).toEqual([expect.stringMatching(/^canary/)]);
    planted.clear();
    raw.captured.length = 0;
  });
});
