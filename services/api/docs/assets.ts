import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";
import { namesTag } from "../http/etags.ts";

const compress = promisify(gzip);

export interface Asset {
  type: string;
  body: string | Buffer;
  /** `Cache-Control`; by default the client revalidates at each request. */
  caching?: string;
  headers?: Readonly<Record<string, string>>;
}

/** `Cache-Control` for a URL that contains a hash of its content. */
export const IMMUTABLE = "public, max-age=31536000, immutable";

/** A hash of the content. */
export const fingerprint = (content: string | Buffer): string =>
  createHash("sha256").update(content).digest("base64url");

const acceptsGzip = (header: unknown) =>
  /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(header));

/** Makes a handler for content that does not change while the process runs. It is compressed once. */
export function asset({ type, body, caching = "no-cache", headers = {} }: Asset) {
  // one buffer for all responses: Node sends a buffer without copying it
  const plain = Buffer.isBuffer(body) ? body : Buffer.from(body);
  const hash = fingerprint(plain);
  const etags = { identity: `"${hash}"`, gzip: `"${hash}-gzip"` };
  let compressed: Promise<Buffer> | undefined;
  return async (req: GatewayRequest, res: GatewayResponse): Promise<void> => {
    const coding = acceptsGzip(req.headers["accept-encoding"]) ? "gzip" : "identity";
    for (const [header, value] of Object.entries(headers)) res.setHeader(header, value);
    res.setHeader("Cache-Control", caching);
    res.setHeader("ETag", etags[coding]);
    res.appendHeader("Vary", "Accept-Encoding");
    if (namesTag(req.headers["if-none-match"], Object.values(etags)))
      return void res.writeHead(304).end();
    const content = coding === "gzip" ? await (compressed ??= compress(plain)) : plain;
    res.setHeader("Content-Type", type);
    res.setHeader("Content-Length", content.length);
    if (coding === "gzip") res.setHeader("Content-Encoding", "gzip");
    res.end(content);
  };
}
