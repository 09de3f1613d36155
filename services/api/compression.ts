import compression from "compression";
import type { GatewayRequest, GatewayResponse } from "./gateways.ts";

/** What is shorter is not worth it, in bytes. */
const THRESHOLD = 1_024;

/**
 * Where answers carry tokens. How long a packed answer is tells something of what is in it, to somebody who
 * chooses a part of it and sees the rest go by (BREACH), so these are never packed.
 */
const SECRET = "/api/auth/";

const pack = compression({
  threshold: THRESHOLD,
  filter: (req, res) => {
    // moleculer-web changes `url` under way
    const asked = req.originalUrl ?? req.url;
    return !asked.startsWith(SECRET) && compression.filter(req, res);
  },
});

/** Packs what is answered, if the client can unpack it. */
export function packAnswer(req: GatewayRequest, res: GatewayResponse): void {
  // its types are Express's, of which it uses what Node's have
  pack(req as never, res as never, () => {});
}
