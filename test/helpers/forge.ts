import { type KeyObject, sign } from "node:crypto";

type Part = object | string | Buffer;

const encode = (part: Part) =>
  Buffer.from(
    typeof part === "string" || Buffer.isBuffer(part) ? part : JSON.stringify(part),
  ).toString("base64url");

/** A correctly signed token with this header and payload. Strings and buffers are used byte for byte. */
export function forge(header: Part, payload: Part, key: KeyObject): string {
  const input = `${encode(header)}.${encode(payload)}`;
  const signature = sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}

/** The same without a signature. */
export const unsigned = (header: Part, payload: Part) => `${encode(header)}.${encode(payload)}.`;
