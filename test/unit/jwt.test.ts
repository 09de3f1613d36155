import { randomUUID } from "node:crypto";
import jwt from "jsonwebtoken";
import { describe, expect, it } from "vitest";
import { signJwt, TokenError, verifyJwt } from "../../lib/jwt.ts";
import { makeSigningKey, readSigningKey } from "../../lib/signing-key.ts";

const key = readSigningKey(makeSigningKey("ES256"));
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

/** A token with a header and payload of any kind, well signed. */
const raw = (header: object, payload: object | string = claims) =>
  jwt.sign(payload, key.key, {
    algorithm: "ES256",
    header: { alg: "ES256", typ: "t+jwt", kid: key.kid, ...header },
  });

describe("a token", () => {
  it("is verified", () => {
    expect(verify(sign())).toMatchObject(claims);
  });

  it.each([
    ["another typ", () => sign({}, "JWT")],
    ["no typ", () => raw({ typ: undefined })],
    ["an unknown crit", () => raw({ crit: ["x"] })],
    ["no kid", () => raw({ kid: undefined })],
    ["a kid that is no text", () => raw({ kid: 1 })],
    ["a kid of 10 kB", () => raw({ kid: "k".repeat(10_000) })],
    ["another issuer", () => sign({ iss: "https://other" })],
    ["issuers", () => sign({ iss: ["https://issuer"] })],
    ["another audience", () => sign({ aud: "there" })],
    ["audiences", () => sign({ aud: ["here"] })],
    ["no audience", () => sign({ aud: undefined })],
    ["no subject", () => sign({ sub: "" })],
    ["a number for a subject", () => raw({}, { ...claims, sub: 1 })],
    ["no jti", () => sign({ jti: undefined })],
    [
      "no exp",
      () => raw({}, Object.fromEntries(Object.entries(claims).filter(([k]) => k !== "exp"))),
    ],
    ["an exp beyond all", () => sign({ exp: 1e300 })],
    ["too long a life", () => sign({ exp: now + 601 })],
    ["an iat in the future", () => sign({ iat: now + 60, exp: now + 120 })],
    ["an nbf in the future", () => sign({ nbf: now + 60 })],
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

  it("that has expired says so", () => {
    const expired = sign({ iat: now - 120, exp: now - 60 });
    expect(() => verify(expired)).toThrow(expect.objectContaining({ reason: "expired" }));
  });

  it("of one algorithm is not verified with a key of another", () => {
    const rsa = readSigningKey(makeSigningKey("RS256"));
    expect(() => verifyJwt(sign(), { key: rsa.publicKey, alg: rsa.alg }, rules)).toThrow(
      TokenError,
    );
  });
});

describe("a signing key", () => {
  it.each(["ES256", "RS256"] as const)("of %s publishes nothing private", (alg) => {
    const { jwk, kid } = readSigningKey(makeSigningKey(alg));
    expect(jwk).toMatchObject({ alg, kid, use: "sig" });
    for (const secret of ["d", "p", "q", "dp", "dq", "qi"]) expect(jwk).not.toHaveProperty(secret);
  });
});
