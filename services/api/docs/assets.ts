import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";

const compress = promisify(gzip);

export interface Asset {
  type: string;
  body: string | Buffer;
  /** `Cache-Control`; left out: asked for anew each time, and sent only if it has changed. */
  caching?: string;
  headers?: Readonly<Record<string, string>>;
}

/** For what has another address when it changes. */
export const FOREVER = "public, max-age=31536000, immutable";

/** A short name of this content: another content has another name. */
export const fingerprint = (content: string | Buffer): string =>
  createHash("sha256").update(content).digest("base64url");

/** Does the client have it (RFC 9110, 13.1.2)? */
const isFresh = (given: string | undefined, etags: readonly string[]) =>
  given?.split(",").some((one) => etags.includes(one.trim())) ?? false;

const takesGzip = (given: unknown) => /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(given));

/** Answers with something that does not change while the process runs. */
export function asset({ type, body, caching = "no-cache", headers = {} }: Asset) {
  // one for all responses: Node sends a buffer as it is, without a copy
  const plain = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const name = fingerprint(plain);
  const etags = { identity: `"${name}"`, gzip: `"${name}-gzip"` };
  let compressed: Promise<Buffer> | undefined;
  return async (req: GatewayRequest, res: GatewayResponse): Promise<void> => {
    const coding = takesGzip(req.headers["accept-encoding"]) ? "gzip" : "identity";
    for (const [header, value] of Object.entries(headers)) res.setHeader(header, value);
    res.setHeader("Cache-Control", caching);
    res.setHeader("ETag", etags[coding]);
    res.appendHeader("Vary", "Accept-Encoding");
    if (isFresh(req.headers["if-none-match"], Object.values(etags)))
      return void res.writeHead(304).end();
    const content = coding === "gzip" ? await (compressed ??= compress(plain)) : plain;
    res.setHeader("Content-Type", type);
    res.setHeader("Content-Length", content.length);
    if (coding === "gzip") res.setHeader("Content-Encoding", "gzip");
    res.end(content);
  };
}
