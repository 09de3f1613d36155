import { constants } from "node:zlib";
import compression from "compression";
import type { GatewayRequest, GatewayResponse } from "../gateways.ts";

/** What is shorter is not worth it, in bytes. */
const THRESHOLD = 1_024;

/** Never compress responses that carry tokens: their length leaks content (BREACH). */
const SECRET = "/api/auth/";

/**
 * The window of Brotli, as a power of two. Its default, 22, takes 6 MB for each response that waits for its client to
 * read (measured: 248 of them took 1.6 GB).
 */
const BROTLI_WINDOW = 16;

const compress = compression({
  threshold: THRESHOLD,
  brotli: { params: { [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW } },
  filter: (req, res) => {
    // moleculer-web changes `url` under way
    const asked = req.originalUrl ?? req.url;
    return !asked.startsWith(SECRET) && compression.filter(req, res);
  },
});

/** Compresses what an action responds with. Assets are not compressed again and again: assets.ts keeps them so. */
export function compressResponse(req: GatewayRequest, res: GatewayResponse): void {
  // its types are Express's, of which it uses what Node's have
  compress(req as never, res as never, () => {});
}
