import { randomUUID } from "node:crypto";
import jwt from "jsonwebtoken";
import { describe, expect, it } from "vitest";
import { signJwt, TokenError, verifyJwt } from "../../../lib/tokens/jwt.ts";
import { forge } from "../../helpers/forge.ts";
import { generateSigningKey, readSigningKey } from "../../../lib/tokens/signing-key.ts";

const key = readSigningKey(await generateSigningKey("ES256"));
const rules = { typ: "t+jwt", issuer: "https://issuer", audience: "here", maxLifetime: 600 };
const now = Math.floor(Date.now() / 1000);
const claims = {
  iss: "https://issuer",
  aud: "here",
  sub: "someone",
  iat: now,
  exp: now + 60,
  jti: randomUUID(),
};

const sign = (changes: object = {}, typ = "t+jwt") =>
  signJwt({ ...claims, ...changes }, { ...key, typ });

const verify = (token: string) => verifyJwt(token, { key: key.publicKey, alg: key.alg }, rules);

/** A correctly signed token with this header and payload. */
const raw = (header: object, payload: object | string = claims) =>
  jwt.sign(payload, key.key, {
    algorithm: "ES256",
    header: { alg: "ES256", typ: "t+jwt", kid: key.kid, ...header },
  });

/** A correctly signed token with this header and payload, byte for byte. */
const written = (
  payload: string | Buffer,
  header: string = JSON.stringify({ alg: "ES256", typ: "t+jwt", kid: key.kid }),
) => forge(header, payload, key.key);

/** The claims as JSON, with further members. */
const claimsAnd = (more: string) => `${JSON.stringify(claims).slice(0, -1)},${more}}`;
const headerAnd = (more: string) =>
  `{"alg":"ES256","typ":"t+jwt","kid":${JSON.stringify(key.kid)},${more}}`;

describe("A token", () => {
  it("with spaces and further members is verified", () => {
    const spaced = claimsAnd(' "more" : {"sub":"\\"iss\\":", "list": [{"a":1},{"a":2}]}');
    expect(verify(written(spaced, headerAnd('"x":"1"')))).toMatchObject(claims);
  });

  it("is verified", () => {
    expect(verify(sign())).toMatchObject(claims);
  });

  it.each([
    ["another typ", () => sign({}, "JWT")],
    ["no typ", () => raw({ typ: undefined })],
    ["an unknown crit", () => raw({ crit: ["x"] })],
    ["an empty crit", () => raw({ crit: [] })],
    ["an unencoded payload", () => raw({ b64: false })],
    ["a key in its header", () => raw({ jwk: key.jwk })],
    ["a URL of keys", () => raw({ jku: "https://issuer/keys" })],
    ["a certificate", () => raw({ x5c: ["AAAA"] })],
    ["a URL of a certificate", () => raw({ x5u: "https://issuer/key.pem" })],
    ["a compressed payload", () => raw({ zip: "DEF" })],
    ["the header of a JWE", () => raw({ enc: "A256GCM" })],
    ["an object as typ", () => raw({ typ: { a: 1 } })],
    ["its typ in a list", () => raw({ typ: ["t+jwt"] })],
    ["a repeated claim", () => written(claimsAnd('"sub":"admin"'))],
    ["a repeated claim, once with an escape", () => written(claimsAnd('"s\\u0075b":"admin"'))],
    ["a repeated key within a claim", () => written(claimsAnd('"act":{"sub":"a","sub":"b"}'))],
    ["a repeated key within a list", () => written(claimsAnd('"list":[{"a":1,"a":1}]'))],
    ["a repeated header", () => written(JSON.stringify(claims), headerAnd('"alg":"ES256"'))],
    [
      "a repeated key within a header",
      () => written(claimsAnd('"a":1'), headerAnd('"x":{"a":1,"a":2}')),
    ],
    ["invalid UTF-8", () => written(Buffer.from(claimsAnd('"name":"\xff"'), "latin1"))],
    ["a byte order mark", () => written(`\ufeff${JSON.stringify(claims)}`)],
    ["a list as payload", () => written(`[${JSON.stringify(claims)}]`)],
    ["a payload that is not JSON", () => written("sub=admin")],
    ["no kid", () => raw({ kid: undefined })],
    ["a number as kid", () => raw({ kid: 1 })],
    ["a kid of 10 kB", () => raw({ kid: "k".repeat(10_000) })],
    ["another issuer", () => sign({ iss: "https://other" })],
    ["a list of issuers", () => sign({ iss: ["https://issuer"] })],
    ["another audience", () => sign({ aud: "there" })],
    ["a list of audiences", () => sign({ aud: ["here"] })],
    ["no audience", () => sign({ aud: undefined })],
    ["no subject", () => sign({ sub: "" })],
    ["a number as subject", () => raw({}, { ...claims, sub: 1 })],
    ["no jti", () => sign({ jti: undefined })],
    [
      "no exp",
      () => raw({}, Object.fromEntries(Object.entries(claims).filter(([k]) => k !== "exp"))),
    ],
    ["an exp of 1e300", () => sign({ exp: 1e300 })],
    ["too long a lifetime", () => sign({ exp: now + 601 })],
    ["an iat in the future", () => sign({ iat: now + 60, exp: now + 120 })],
    ["an nbf in the future", () => sign({ nbf: now + 60 })],
    ["an nbf of 1e300", () => sign({ nbf: 1e300 })],
    ["an nbf that is no number", () => raw({}, JSON.stringify({ ...claims, nbf: String(now) }))],
    [
      "an exp that is no number",
      () => raw({}, JSON.stringify({ ...claims, exp: String(now + 60) })),
    ],
    ["an exp with a fraction", () => sign({ exp: now + 60.5 })],
    ["no iat", () => written(JSON.stringify({ ...claims, iat: undefined }))],
    ["an exp before its iat", () => sign({ iat: now, exp: now - 1 })],
    ["two parts", () => sign().split(".").slice(0, 2).join(".")],
    ["four parts", () => `${sign()}.x`],
    ["padding", () => `${sign()}=`],
    ["10 kB", () => sign({ more: "x".repeat(10_000) })],
  ])("with %s is refused", (_what, make) => {
    expect(() => verify(make())).toThrow(TokenError);
  });

  it("with spare bits flipped in its signature is refused", () => {
    const token = sign();
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(token.at(-1)!);
    const flipped = token.slice(0, -1) + alphabet[last ^ 1];
    expect(Buffer.from(flipped.split(".")[2]!, "base64url")).toEqual(
      Buffer.from(token.split(".")[2]!, "base64url"),
    );
    expect(() => verify(flipped)).toThrow(TokenError);
  });

  it("that has expired is refused with the reason 'expired'", () => {
    const expired = sign({ iat: now - 120, exp: now - 60 });
    expect(() => verify(expired)).toThrow(expect.objectContaining({ reason: "expired" }));
  });

  it("of one algorithm is refused with a key of another", async () => {
    const rsa = readSigningKey(await generateSigningKey("RS256"));
    expect(() => verifyJwt(sign(), { key: rsa.publicKey, alg: rsa.alg }, rules)).toThrow(
      TokenError,
    );
  });
});

describe("A trusted issuer's token", () => {
  const foreign = { ...rules, typ: ["at+jwt", "JWT"], isForeign: true };
  const verifyForeign = (token: string) =>
    verifyJwt(token, { key: key.publicKey, alg: key.alg }, foreign);

  it.each([
    ["at+jwt", () => sign({}, "at+jwt")],
    ["JWT", () => sign({}, "JWT")],
    ["several audiences", () => sign({ aud: ["there", "here"] }, "JWT")],
    ["no jti", () => sign({ jti: undefined }, "JWT")],
  ])("with %s is verified", (_what, make) => {
    expect(verifyForeign(make())).toMatchObject({ sub: "someone" });
  });

  it.each([
    ["another typ", () => sign({}, "t+jwt")],
    ["other audiences", () => sign({ aud: ["there"] }, "JWT")],
    ["a nested list of audiences", () => sign({ aud: [["here"]] }, "JWT")],
    ["no subject", () => sign({ sub: "" }, "JWT")],
    ["too long a lifetime", () => sign({ exp: now + 601 }, "JWT")],
    ["another issuer", () => sign({ iss: "https://other" }, "JWT")],
  ])("with %s is refused", (_what, make) => {
    expect(() => verifyForeign(make())).toThrow(TokenError);
  });
});

describe("A signing key", () => {
  it.each(["ES256", "RS256"] as const)("of %s publishes nothing private", async (alg) => {
    const { jwk, kid } = readSigningKey(await generateSigningKey(alg));
    expect(jwk).toMatchObject({ alg, kid, use: "sig" });
    for (const secret of ["d", "p", "q", "dp", "dq", "qi"]) expect(jwk).not.toHaveProperty(secret);
  });
});
