import { createHash, randomBytes } from "node:crypto";

/** A random token of 256 bits, base64url. */
export const makeOpaqueToken = () => randomBytes(32).toString("base64url");

/** The stored form of such a token. A fast hash is enough: 256 random bits cannot be guessed. */
export const hashOfToken = (token: string) =>
  createHash("sha256").update(token).digest("base64url");
