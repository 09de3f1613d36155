import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../helpers/app.ts";
import { type Issuer, type Issuers, json, makeKey, startIssuers } from "../helpers/issuer.ts";
import { blocksOf, readDocument } from "../helpers/markdown.ts";
import { hasCurl, Shell } from "../helpers/shell.ts";

const API = "https://citadel.example.com";
const OPENID = "/.well-known/openid-configuration";

/** A product, as far as its tokens and keys go. */
interface Product {
  /** The origin in the document that the stand-in replaces. */
  origin: string;
  path: string;
  keys: string;
  publishesMetadata: boolean;
  claims: (url: string) => object;
  /** Claims of tokens that must be refused. */
  foreign: object;
}

const PRODUCTS: Record<string, Product> = {
  Auth0: {
    origin: "https://TENANT.eu.auth0.com",
    path: "/",
    keys: "/.well-known/jwks.json",
    publishesMetadata: true,
    claims: (url) => ({
      sub: "auth0|507f1f77bcf86cd799439020",
      aud: [API, `${url}/userinfo`],
      azp: "CLIENT_ID",
      scope: "openid profile",
    }),
    foreign: { aud: "https://another.example.com" },
  },
  Keycloak: {
    origin: "https://keycloak.example.com",
    path: "/realms/REALM",
    keys: "/realms/REALM/protocol/openid-connect/certs",
    publishesMetadata: true,
    claims: () => ({
      typ: "Bearer",
      aud: ["citadel", "account"],
      azp: "CLIENT_ID",
      preferred_username: "alice",
      realm_access: { roles: ["editor", "offline_access"] },
    }),
    foreign: { aud: "account" },
  },
  "Cloudflare Access": {
    origin: "https://TEAM.cloudflareaccess.com",
    path: "",
    keys: "/cdn-cgi/access/certs",
    publishesMetadata: false,
    claims: () => ({
      aud: ["AUD_TAG"],
      email: "alice@example.com",
      type: "app",
      identity_nonce: "6ei69kawdKzMIAPF",
      country: "US",
    }),
    foreign: { aud: ["another application's tag"] },
  },
  Zuplo: {
    origin: "https://dev.zuplo.com",
    path: "/v1/client-auth/auth_o8PUdhKxSTOiB794GWPwLQCD",
    keys: "/v1/client-auth/auth_o8PUdhKxSTOiB794GWPwLQCD/.well-known/jwks.json",
    publishesMetadata: true,
    claims: () => ({
      sub: "atcl_8GLgIDYRw38Jqg0tHR8tiZfh",
      aud: API,
      account: "ACCOUNT",
      project: "PROJECT",
      deployment: "copper-bedbug-main-53c4947",
      environment_type: "production",
    }),
    foreign: { account: "another customer" },
  },
};

/** The entry and the last call of a recipe. */
function recipeOf(product: string): { entry: string; call: string } {
  const section = readDocument("docs/trusted-issuers.md").split(`\n### ${product}\n`)[1];
  const scripts = blocksOf(section?.split(/\n##+ /)[0] ?? "").map(({ text }) => text);
  const [, entry = ""] = /TRUSTED_ISSUERS='\[([^]*)\]'/.exec(scripts[0] ?? "") ?? [];
  const call =
    scripts
      .at(-1)
      ?.split("\n")
      .findLast((line) => line.startsWith("curl")) ?? "";
  return { entry, call };
}

describe.skipIf(!hasCurl())("The recipe", () => {
  let app: App;
  const servers: Record<string, Issuers> = {};
  const issuers: Record<string, Issuer> = {};
  const shell = new Shell();

  beforeAll(async () => {
    const entries: string[] = [];
    for (const [name, { origin, path, keys, publishesMetadata }] of Object.entries(PRODUCTS)) {
      const server = await startIssuers();
      // Keycloak publishes a key for encryption, too
      const other = makeKey(2048, { use: "enc", alg: "RSA-OAEP" }).jwk;
      const issuer = server.add(name, ({ jwk }) => json({ keys: [other, jwk] }), undefined, {
        path,
        keys,
      });
      const metadata = { issuer: issuer.name, jwks_uri: issuer.jwksUri };
      if (publishesMetadata) server.serve(path.replace(/\/$/, "") + OPENID, json(metadata));
      entries.push(recipeOf(name).entry.replaceAll(origin, server.url));
      servers[name] = server;
      issuers[name] = issuer;
    }
    app = await startApp({ TRUSTED_ISSUERS: `[${entries.join()}]` });
  });
  afterAll(async () => {
    shell.remove();
    await app?.stop();
    await Promise.all(Object.values(servers).map((server) => server.stop()));
  });

  it.each(Object.keys(PRODUCTS))("for %s accepts its tokens, and no others", async (name) => {
    const { claims, foreign, publishesMetadata, path, keys } = PRODUCTS[name]!;
    const { url, paths } = servers[name]!;
    const call = recipeOf(name).call.replace(API, app.url);
    const send = async (more: object = {}) => {
      const sign = issuers[name]!.sign({ ...claims(url), ...more }, { typ: "JWT" });
      shell.variables.TOKEN = sign;
      const { output, requests } = await shell.run(call);
      return { body: JSON.parse(output.join("\n")), status: requests[0]?.slice(0, 3) };
    };

    const { body, status } = await send();
    expect(status).toBe("200");
    expect(body.user).toMatchObject({ ...claims(url), iss: url + path });
    expect(paths).toEqual([...(publishesMetadata ? [path.replace(/\/$/, "") + OPENID] : []), keys]);

    const refused = await send(foreign);
    expect(refused).toMatchObject({
      status: "401",
      body: { type: "AccessTokenVerificationFailed" },
    });
  });
});
