import { randomUUID } from "node:crypto";
import { Loggers, type ServiceSchema } from "moleculer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, isMissing, startApp } from "../helpers/app.ts";
import { request } from "../helpers/http.ts";
import {
  AUDIENCE,
  type Issuer,
  type Issuers,
  json,
  type Respond,
  startIssuers,
} from "../helpers/issuer.ts";
import { watchRuns } from "../helpers/runs.ts";

const OPENID = ".well-known/openid-configuration";

const text =
  (type: string, body: string, status = 200): Respond =>
  (_req, res) => {
    res.writeHead(status, { "content-type": type }).end(body);
  };
const redirect =
  (location: string): Respond =>
  (_req, res) => {
    res.writeHead(302, { location }).end();
  };

/** What an issuer publishes about itself, and the issuer whose keys nobody may fetch. */
interface Published {
  metadata: { issuer: string; jwks_uri: string };
  inside: Issuer;
  url: string;
}

/** Responses to a request for metadata that must lead to no further request. */
const REFUSED: Record<string, (published: Published) => Respond> = {
  "states another issuer": ({ inside }) => json({ issuer: inside.name, jwks_uri: inside.jwksUri }),
  "states the issuer with a slash": ({ metadata }) =>
    json({ ...metadata, issuer: `${metadata.issuer}/` }),
  "states no issuer": ({ metadata }) => json({ jwks_uri: metadata.jwks_uri }),
  "names keys by http on another machine": ({ metadata, url }) =>
    json({ ...metadata, jwks_uri: `${url.replace("127.0.0.1", "0.0.0.0")}/inside/keys` }),
  "names keys by a URL with a password": ({ metadata, url }) =>
    json({ ...metadata, jwks_uri: `${url.replace("//", "//a:b@")}/inside/keys` }),
  "names a file": ({ metadata }) => json({ ...metadata, jwks_uri: "file:///etc/passwd" }),
  "names a path": ({ metadata }) => json({ ...metadata, jwks_uri: "/inside/keys" }),
  "names a list of keys": ({ metadata, inside }) =>
    json({ ...metadata, jwks_uri: [inside.jwksUri] }),
  "names no keys": ({ metadata }) => json({ issuer: metadata.issuer }),
  "is null": () => json(null),
  "is a redirect": () => redirect(`/inside/${OPENID}`),
  "is 10 MB": ({ metadata }) => json({ ...metadata, more: "x".repeat(10_000_000) }),
  "is HTML": ({ metadata }) => text("text/html", JSON.stringify(metadata)),
  "is an error": ({ metadata }) => text("application/json", JSON.stringify(metadata), 500),
  "is refused": () => text("application/json", "{}", 403),
  "is no JSON": () => text("application/json", "{"),
  "is a broken connection": () => (_req, res) => void res.destroy(),
};

const slug = (name: string) => name.replace(/\W+/g, "-");

/** Keeps the warnings that the brokers log. */
class WarningLog extends Loggers.Base<{ level?: "warn" }> {
  readonly warnings: unknown[][] = [];

  override getLogHandler() {
    return (type: string, args: unknown[]) => {
      if (type === "warn") this.warnings.push(args);
    };
  }
}

const services = [
  {
    name: "mirror",
    actions: {
      look: { restricted: null, auth: "required", handler: (ctx: any) => ctx.locals.user },
    },
  },
] as unknown as ServiceSchema[];

describe.skipIf(isMissing)("A trusted issuer without jwksUri", () => {
  let app: App;
  let issuers: Issuers;
  let openid: Issuer;
  let oauth: Issuer;
  let usual: Issuer;
  let anyone: Issuer;
  let pinned: Issuer;
  let redirected: Issuer;
  let inside: Issuer;
  const refused: Record<string, Issuer> = {};
  const log = new WarningLog();
  const runs = watchRuns();

  beforeAll(async () => {
    issuers = await startIssuers();
    inside = issuers.add("inside");
    const metadataOf = ({ name, jwksUri }: Issuer) => ({ issuer: name, jwks_uri: jwksUri });
    const publish = (issuer: Issuer) => {
      issuers.serve(`${new URL(issuer.name).pathname}/${OPENID}`, json(metadataOf(issuer)));
      return issuer;
    };
    issuers.serve(`/inside/${OPENID}`, json(metadataOf(inside)));
    openid = publish(issuers.add("openid"));
    anyone = publish(issuers.add("anyone"));
    pinned = publish(issuers.add("pinned"));
    oauth = issuers.add("oauth");
    issuers.serve("/.well-known/oauth-authorization-server/oauth", json(metadataOf(oauth)));
    usual = issuers.add("usual", undefined, undefined, { keys: "/usual/.well-known/jwks.json" });
    redirected = publish(issuers.add("redirected", () => redirect("/inside/keys"), inside.key));
    for (const [name, respond] of Object.entries(REFUSED)) {
      const issuer = issuers.add(slug(name), undefined, inside.key);
      const metadata = metadataOf(issuer);
      issuers.serve(`/${slug(name)}/${OPENID}`, respond({ metadata, inside, url: issuers.url }));
      refused[name] = issuer;
    }

    const entry = ({ name }: Issuer, more: object = {}) => ({
      issuer: name,
      audience: AUDIENCE,
      ...more,
    });
    const TRUSTED_ISSUERS = JSON.stringify([
      ...[openid, oauth, usual, redirected, ...Object.values(refused)].map((one) => entry(one)),
      entry(anyone, { audience: null }),
      entry(pinned, { tenantId: "theirs", environmentId: "test", claims: { account: "ours" } }),
    ]);
    app = await startApp(
      { TRUSTED_ISSUERS },
      { services, broker: (own) => ({ ...runs.broker(own), logger: log }) },
    );
  });
  afterAll(async () => {
    await app?.stop();
    await issuers?.stop();
  });

  const whoami = (token: string) => request(app, "GET /api/protected", { token });
  const look = (token: string): Promise<any> =>
    app.brokerOf("mirror").call("mirror.look", {}, { meta: { token } });

  /** The paths of the requests to issuers meanwhile. */
  const pathsOf = async (run: () => Promise<unknown>) => {
    const before = issuers.paths.length;
    await run();
    return issuers.paths.slice(before);
  };

  const expectRefused = async (token: string, type: string) => {
    const before = runs.of("auth.whoami");
    const { body } = await whoami(token);
    expect(body).toMatchObject({ type });
    expect(JSON.stringify(body)).not.toContain(issuers.url);
    expect(runs.of("auth.whoami")).toBe(before);
  };

  it("is asked for its metadata with the first token, and not again", async () => {
    expect(issuers.paths).toEqual([]);
    const first = await pathsOf(async () => expect((await whoami(openid.sign())).status).toBe(200));
    expect(first).toEqual([`/openid/${OPENID}`, "/openid/keys"]);
    expect(runs.of("auth.whoami")).toBe(1);
    expect(await pathsOf(() => whoami(openid.sign({ sub: "another" })))).toEqual([]);
  });

  it("may publish OAuth's metadata, or keys alone", async () => {
    const paths = await pathsOf(async () => {
      expect((await whoami(oauth.sign())).status).toBe(200);
      expect((await whoami(usual.sign())).status).toBe(200);
    });
    expect(paths).toEqual([
      `/oauth/${OPENID}`,
      "/.well-known/oauth-authorization-server/oauth",
      "/oauth/keys",
      `/usual/${OPENID}`,
      "/.well-known/oauth-authorization-server/usual",
      "/usual/.well-known/jwks.json",
    ]);
  });

  it.each(Object.keys(REFUSED))(
    "is asked once if its metadata %s, and its tokens get JwksError",
    async (name) => {
      const token = refused[name]!.sign();
      const paths = await pathsOf(async () => {
        await expectRefused(token, "JwksError");
        expect((await whoami(token)).status).toBe(503);
      });
      expect(paths).toEqual([`/${slug(name)}/${OPENID}`]);
      expect(inside.requests).toBe(0);
    },
  );

  it("is not followed to another URL than its metadata names", async () => {
    const paths = await pathsOf(() => expectRefused(redirected.sign(), "JwksError"));
    expect(paths).toEqual([`/redirected/${OPENID}`, "/redirected/keys"]);
    expect(inside.requests).toBe(0);
  });

  it("cannot be flooded with requests by unknown kids", async () => {
    const paths = await pathsOf(() =>
      Promise.all(
        Array.from({ length: 50 }, () =>
          look(openid.sign({}, { kid: randomUUID() })).catch(() => {}),
        ),
      ),
    );
    // the metadata and the keys, if the cool-down ends in between
    expect(paths.length).toBeLessThanOrEqual(2);
  });

  it.each<[string, unknown]>([
    ["another audience", "other"],
    ["several audiences", ["a", "b"]],
    ["no audience", undefined],
  ])("accepts %s only if its audience is null", async (_what, aud) => {
    expect((await look(anyone.sign({ aud }))).aud).toBe("http://localhost:3000");
    await expectRefused(openid.sign({ aud }), "AccessTokenVerificationFailed");
  });

  it("is named in a warning of each node's start if its audience is null", () => {
    const warnings = log.warnings.filter(([, message]) =>
      String(message).includes("whatever their audience"),
    );
    expect(warnings.map(([fields]) => fields)).toEqual(
      app.brokers.map(() => ({ issuer: anyone.name })),
    );
  });

  it("gives its users the tenant and environment of its entry", async () => {
    const theirs = { tenantId: "theirs", environmentId: "test" };
    expect(await look(pinned.sign({ account: "ours" }))).toMatchObject(theirs);
    expect(await look(pinned.sign({ account: "ours", ...theirs }))).toMatchObject(theirs);
    expect(await look(openid.sign(theirs))).toMatchObject({ tenantId: "default" });
  });

  it.each<[string, object]>([
    ["another tenant", { account: "ours", tenantId: "default" }],
    ["null as tenant", { account: "ours", tenantId: null }],
    ["a list of tenants", { account: "ours", tenantId: ["theirs"] }],
    ["another environment", { account: "ours", environmentId: "production" }],
    ["another value of a required claim", { account: "another" }],
    ["a list as required claim", { account: ["ours"] }],
    ["no required claim", {}],
  ])("refuses a token with %s", async (_what, claims) => {
    await expectRefused(pinned.sign(claims), "AccessTokenVerificationFailed");
  });
});
