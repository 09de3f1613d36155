import type { ServiceSchema } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CitadelError } from "../../../lib/errors/errors.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";
import { isMissing } from "../../helpers/app.ts";
import { auditOf } from "../../helpers/audit.ts";
import { callFrom } from "../../helpers/call.ts";
import { request } from "../../helpers/http.ts";
import { AUDIENCE, type Issuer, type Issuers, startIssuers } from "../../helpers/issuer.ts";
import { claimsOf, tokenFor } from "../../helpers/tokens.ts";
import { without } from "../../helpers/without.ts";
import { application, type User } from "../../fixtures/application.ts";

const strangersKey = readSigningKey(await generateSigningKey("ES256"));

/** What the event handler has seen, in order. */
const heard: any[] = [];

const stateOf = ({ locals, meta }: any) => ({
  authContext: locals.authContext,
  user: locals.user,
  metaUser: meta.user,
});

const services = [
  {
    name: "mirror",
    actions: {
      look: { restricted: null, auth: "context", handler: stateOf },
      nested: {
        restricted: null,
        auth: "context",
        handler: async (ctx: any) => [
          await ctx.call("mirror.required"),
          await ctx.call("mirror.open"),
        ],
      },
      tell: {
        restricted: null,
        auth: "context",
        handler: (ctx: any) => ctx.emit("mirror.told", {}),
      },
      required: { restricted: null, auth: "required", handler: (ctx: any) => ctx.locals.user.sub },
      open: { restricted: null, auth: "none", handler: stateOf },
    },
    events: {
      "mirror.told": {
        restricted: null,
        auth: "context",
        handler: (ctx: any) => void heard.push(stateOf(ctx)),
      },
    },
  },
] as unknown as ServiceSchema[];

describe.skipIf(isMissing)("An authentication context", () => {
  let issuers: Issuers;
  let silent: Issuer;

  const app = application(
    async () => {
      issuers = await startIssuers();
      silent = issuers.add("silent", () => (_req, res) => void res.destroy());
      const { name: issuer, jwksUri } = silent;
      return { TRUSTED_ISSUERS: JSON.stringify([{ issuer, jwksUri, audience: AUDIENCE }]) };
    },
    { services },
  );
  let alice: User;
  beforeAll(async () => {
    alice = await app.register("alice");
  });
  afterAll(() => issuers?.stop());

  const look = (token?: string) =>
    callFrom(app, "api", "mirror.look", {}, token === undefined ? {} : { token });

  // this test comes first, before the node has cached a key and the revocations
  it("has IdentityServiceNotAccessible while auth is unavailable, and the handler runs", async () => {
    await without(app, "auth", async () => {
      const { authContext, user } = await look(tokenFor(app, {}, strangersKey));
      expect(authContext.authErrorInfo).toMatchObject({
        type: "IdentityServiceNotAccessible",
        code: 503,
      });
      expect([authContext.subject, user]).toEqual([undefined, undefined]);
    });
  });

  it("has the verified claims as its subject, and neither locals.user nor meta.user is set", async () => {
    const { authContext, user, metaUser } = await look(alice.token);
    expect(authContext).toEqual({ subject: claimsOf(alice.token) });
    expect([user, metaUser]).toEqual([undefined, undefined]);
  });

  const REFUSED: [what: string, token: () => string | undefined | Promise<string>, type: string][] =
    [
      ["no token", () => undefined, "AccessTokenRequired"],
      ["an expired token", () => expired(), "AccessTokenExpired"],
      ["a revoked token", () => revoked(), "AccessTokenRevoked"],
      ["a string that is no token", () => "abc", "AccessTokenVerificationFailed"],
      [
        "an altered token",
        () => `${alice.token.slice(0, -8)}AAAAAAAA`,
        "AccessTokenVerificationFailed",
      ],
      [
        "another tenant's token",
        () => tokenFor(app, { tenantId: "other" }),
        "AccessTokenVerificationFailed",
      ],
      ["a token of an unknown key", () => tokenFor(app, {}, strangersKey), "SigningKeyNotFound"],
      ["a token whose issuer is unavailable", () => silent.sign(), "JwksError"],
    ];
  const expired = () => tokenFor(app, { iat: 1_700_000_000, exp: 1_700_000_600 });
  const revoked = async () => {
    const { token, request: send } = await app.register();
    await send("POST /api/auth/logout");
    return token;
  };

  it.each(REFUSED)("has the error of %s, and the handler runs", async (_what, make, type) => {
    const { authContext, user, metaUser } = await look(await make());
    const error = new CitadelError(type as never).toJSON();
    expect(authContext).toEqual({ authErrorInfo: error });
    expect([user, metaUser]).toEqual([undefined, undefined]);
  });

  it("does not change what nested calls get: those that need the user verify the token", async () => {
    const [sub, open] = await callFrom(app, "api", "mirror.nested", {}, { token: alice.token });
    expect(sub).toBe(alice.id);
    expect(open.authContext).toBeUndefined();
    await expect(callFrom(app, "api", "mirror.nested")).rejects.toMatchObject({
      type: "AccessTokenRequired",
    });
  });

  it("is given to event handlers, too", async () => {
    await callFrom(app, "api", "mirror.tell", {}, { token: alice.token });
    await expect.poll(() => heard.length).toBe(1);
    await callFrom(app, "api", "mirror.tell");
    await expect.poll(() => heard.length).toBe(2);
    expect(heard[0].authContext).toEqual({ subject: claimsOf(alice.token) });
    expect(heard[1].authContext.authErrorInfo.type).toBe("AccessTokenRequired");
    expect(heard.map(({ user }) => user)).toEqual([undefined, undefined]);
  });

  describe("GET /api/auth/context", () => {
    it.each(REFUSED)("responds with 200 and the error of %s", async (_what, make, type) => {
      const token = await make();
      const { status, headers, body } = await request(app, "GET /api/auth/context", { token });
      expect(status).toBe(200);
      expect(body).toEqual({ authErrorInfo: new CitadelError(type as never).toJSON() });
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("www-authenticate")).toBeNull();
    });

    it("responds with the claims of a valid token", async () => {
      const { status, body } = await alice.request("GET /api/auth/context");
      expect([status, body]).toEqual([200, { subject: claimsOf(alice.token) }]);
    });

    it("refuses a request with two tokens, as every route does", async () => {
      const { status, body } = await request(app, `GET /api/auth/context?token=${alice.token}`, {
        token: alice.token,
      });
      expect([status, body.type]).toEqual([401, "AccessTokenVerificationFailed"]);
    });

    it("can be called by a socket, whose user is the subject", async () => {
      const socket = await app.socket(alice);
      const called = Promise.withResolvers<[unknown, any]>();
      socket.emit("call", "auth.context", {}, (...ack: [unknown, any]) => called.resolve(ack));
      expect(await called.promise).toEqual([null, { subject: claimsOf(alice.token) }]);
      socket.close();
    });

    it("leaves no refusal in the audit trail for a token that is not valid", async () => {
      const invalid = tokenFor(app, { tenantId: "other" });
      const targets = async (count: number) =>
        (await auditOf(app, { event: "user.refused" }, count)).map(({ data }) => data.target);
      await request(app, "GET /api/auth/context", { token: invalid });
      // the control: the same token is a refusal elsewhere, and is written later
      await request(app, "GET /api/protected", { token: invalid });
      expect(await targets(1)).toEqual(["auth.whoami"]);
    });
  });
});
