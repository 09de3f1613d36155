import { createHash, randomBytes } from "node:crypto";

/** A token that says nothing and that nobody can guess: 256 bits, base64url. */
export const makeOpaqueToken = () => randomBytes(32).toString("base64url");

/** What is stored of such a token. Of 256 random bits a fast hash gives nothing away. */
export const hashOfToken = (token: string) =>
  createHash("sha256").update(token).digest("base64url");
