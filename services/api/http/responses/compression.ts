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

const compress = compression({
  threshold: THRESHOLD,
  brotli: { params: { [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW } },
  filter: (req, res) => {
    // moleculer-web changes `url`
    const url = req.originalUrl ?? req.url;
    return !url.startsWith(TOKEN_PATHS) && compression.filter(req, res);
  },
});

/** Compresses the response of an action. Assets are compressed once: see docs/assets.ts. */
export function compressResponse(req: GatewayRequest, res: GatewayResponse): void {
  // the types are Express's, but only Node's request and response are used
  compress(req as never, res as never, () => {});
}
