import { constants } from "node:zlib";
import compression from "compression";
import type { GatewayRequest, GatewayResponse } from "../../gateways.ts";

/** In bytes. Shorter responses are not compressed. */
const THRESHOLD = 1_024;

/** Never compress responses that carry tokens: their length leaks content (BREACH). */
const TOKEN_PATHS = "/api/auth/";

/**
 * Brotli's window, as a power of two. The default, 22, takes 6 MB for each response that waits for its client
 * (measured: 248 responses took 1.6 GB).
 */
const BROTLI_WINDOW = 16;

/** May the response of a route carry tokens? */
export const carriesTokens = (path: string): boolean => path.startsWith(TOKEN_PATHS);

const compress = compression({
  threshold: THRESHOLD,
  brotli: { params: { [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW } },
});

/**
 * Compresses the response of an action if it is long enough. Without this, Node sends headers and body in one write.
 * Assets are compressed once: see docs/assets.ts.
 *
 * @param length of the body, in bytes
 */
export function compressResponse(req: GatewayRequest, res: GatewayResponse, length: number): void {
  if (length < THRESHOLD || carriesTokens(req.url ?? "")) return;
  if (req.headers["accept-encoding"] === undefined)
    return void res.appendHeader("Vary", "Accept-Encoding");
  // the types are Express's, but only Node's request and response are used
  compress(req as never, res as never, () => {});
}
