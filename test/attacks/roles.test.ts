import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineContract } from "../../lib/contract/contract.ts";
import { ownContext } from "../../lib/context/own-context.ts";
import type { Handlers } from "../../lib/contract/handlers.ts";
import { implement } from "../../lib/contract/implement.ts";
import { route } from "../../lib/contract/route.ts";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { callFrom } from "../helpers/call.ts";
import { administrator, login, type Person, register, request } from "../helpers/http.ts";
import { AUDIENCE, type Issuer, type Issuers, startIssuers } from "../helpers/issuer.ts";
import { watchRuns } from "../helpers/runs.ts";
import { refresh, tokenFor } from "../helpers/tokens.ts";

const ROLES = ["moderator", "admin"];

const TOUCHED = { by: "string" } as const;

const vault = defineContract({
  name: "vault",
  actions: {
    open: route({
      description: "Opens the vault.",
      rest: "POST /api/vault",
      auth: "required",
      permissions: null,
      roles: ["moderator", "admin"],
      // a client may send anything that an action accepts
      params: { roles: { type: "array", items: "string", optional: true } },
      result: "string",
    }),
    empty: route({
      description: "Empties the vault.",
      rest: "DELETE /api/vault",
      auth: "required",
      permissions: "users:write",
      roles: ["moderator"],
      params: {},
      result: null,
    }),
  },
  emits: { "vault.touched": { description: "Someone touched the vault.", params: TOUCHED } },
  events: {
    "vault.touched": {
      restricted: ["vault"],
      auth: "required",
      permissions: null,
      roles: ["moderator"],
    },
  },
});

/** The events that the handler of `vault.touched` has received. */
const received: string[] = [];

const handlers: Handlers<typeof vault> = {
  actions: { open: async () => "open", empty: async () => {} },
  events: { "vault.touched": async ({ params }: any) => void received.push(params.by) },
};
const service = implement<typeof vault>(vault, handlers, {}, [vault]);

describe.skipIf(isMissing)("An action that declares roles", () => {
  let app: App;
  let issuers: Issuers;
  let issuer: Issuer;
  let admin: Person;
  const runs = watchRuns();

  beforeAll(async () => {
    issuers = await startIssuers();
    issuer = issuers.add("employer");
    const { name, jwksUri } = issuer;
    const roles = { chiefs: ["moderator"] };
    app = await startApp(
      {
        TRUSTED_ISSUERS: JSON.stringify([{ issuer: name, jwksUri, audience: AUDIENCE, roles }]),
      },
      { services: [service], contracts: [vault], broker: runs.broker },
    );
    admin = await administrator(app);
  });
  afterAll(async () => {
    await app?.stop();
    await issuers?.stop();
  });

  const open = (token: string, body: object = {}) =>
    request(app, "POST /api/vault", { token, body });
  const empty = (token: string) => request(app, "DELETE /api/vault", { token });
  const setRoles = (id: string, roles: string[]) =>
    request(app, `PUT /api/users/${id}/roles`, { token: admin.token, body: { roles } });

  const withRoles = async (...roles: string[]) => {
    const { id, username, password } = await register(app);
    expect((await setRoles(id, roles)).status).toBe(200);
    return login(app, username, password);
  };

  /** Expects that the request was refused for its roles, and that no handler has run. */
  const expectRefused = async (
    send: () => Promise<{ status: number; body: any }>,
    data: object = { roles: ROLES },
  ) => {
    const before = [runs.of("vault.open"), runs.of("vault.empty")];
    const { status, body } = await send();
    expect([status, body.type, body.data]).toEqual([403, "UserNotAuthorized", data]);
    expect([runs.of("vault.open"), runs.of("vault.empty")]).toEqual(before);
  };

  it("runs for a user with any of them", async () => {
    const moderator = await withRoles("moderator");
    for (const { token } of [moderator, admin]) expect((await open(token)).body).toBe("open");
  });

  it("is refused to users without them, and to users without roles", async () => {
    const [user, nobody] = [await register(app), await withRoles()];
    for (const { token } of [user, nobody]) await expectRefused(() => open(token));
    expect((await request(app, "POST /api/vault", { body: {} })).body.type).toBe(
      "AccessTokenRequired",
    );
  });

  it("needs its permission as well as one of its roles", async () => {
    const [moderator, both] = [await withRoles("moderator"), await withRoles("moderator", "admin")];
    await expectRefused(() => empty(moderator.token), { permission: "users:write" });
    await expectRefused(() => empty(admin.token), { roles: ["moderator"] });
    expect((await empty(both.token)).status).toBe(204);
  });

  it("is refused at once to a user whose role was taken away", async () => {
    const carol = await withRoles("moderator");
    expect((await open(carol.token)).status).toBe(200);
    await setRoles(carol.id, ["user"]);
    const before = runs.of("vault.open");
    expect((await open(carol.token)).body.type).toBe("AccessTokenExpired");
    expect(runs.of("vault.open")).toBe(before);
    const { body } = await refresh(app, carol.refreshToken);
    await expectRefused(() => open(body.access_token));
  });

  it("ignores roles in the request body and in the meta of a call", async () => {
    const { token } = await register(app);
    await expectRefused(() => open(token, { roles: ["admin"] }));
    const user = { roles: ["admin"], permissions: { users: ["write"] } };
    const meta = { user, roles: ["admin"] };
    for (const action of ["vault.open", "vault.empty"])
      await expect(callFrom(app, "api", action, {}, { token, meta })).rejects.toMatchObject({
        type: "UserNotAuthorized",
      });
    await expect(callFrom(app, "api", "vault.open", {}, { meta })).rejects.toMatchObject({
      type: "AccessTokenRequired",
    });
  });

  it("runs no handler of an event for a user without the role that the handler declares", async () => {
    const emit = (by: string, roles: string[]) => {
      const accessToken = tokenFor(app, { roles });
      return ownContext(app.service("vault"), { accessToken }).emit(
        "vault.touched" as never,
        { by } as never,
      );
    };
    await emit("a user", ["user"]);
    await emit("an administrator", ["admin"]);
    await emit("a moderator", ["user", "moderator"]);
    await expect.poll(() => received).toEqual(["a moderator"]);
  });

  it("is refused to a token with a scope, which grants permissions only", async () => {
    expect((await open(tokenFor(app, { roles: ["admin"] }))).status).toBe(200);
    const scoped = tokenFor(app, { roles: ["admin"], scope: "posts:write" });
    await expectRefused(() => open(scoped));
  });

  it("is refused to a user who impersonates one with the role", async () => {
    const moderator = await withRoles("moderator");
    const { body } = await request(app, "POST /api/auth/impersonate", {
      token: admin.token,
      body: { userId: moderator.id },
    });
    await expectRefused(() => open(body.access_token));
  });

  it("counts a trusted issuer's roles only as TRUSTED_ISSUERS maps them", async () => {
    const tokenWith = (roles: string[]) => issuer.sign({ roles });
    await expectRefused(() => open(tokenWith(["admin", "moderator"])));
    expect((await open(tokenWith(["chiefs"]))).status).toBe(200);
  });
});
