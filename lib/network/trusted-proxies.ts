import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import ipaddr from "ipaddr.js";
import proxyAddr from "proxy-addr";
import { readCloudflareRanges } from "./cloudflare-ranges.ts";

type Trust = (address: string, hop: number) => boolean;

/** In TRUSTED_PROXIES: the addresses that Cloudflare publishes. */
const CLOUDFLARE = "cloudflare";

const NOBODY: Trust = () => false;

/** Somewhere in this list of networks? @throws Error that names what is no CIDR */
function within(networks: readonly string[]): Trust {
  for (const network of networks)
    if (!ipaddr.isValid(network) && !ipaddr.isValidCIDR(network))
      throw new Error(`'${network}' is no CIDR`);
  return networks.length > 0 ? proxyAddr.compile([...networks]) : NOBODY;
}

/** An address as everything else writes it: IPv4 that came mapped into IPv6 is IPv4. */
const plain = (address: string) => ipaddr.process(address).toString();

/**
 * Whose word counts on who asks. What a client says of itself never does: headers are read only from
 * connections of the proxies that the operator lists.
 */
export class TrustedProxies {
  readonly #isOurs: Trust;
  readonly #isCloudflare: Trust;
  readonly #isAny: Trust;
  readonly #hasCloudflare: boolean;

  /**
   * @param listed CIDRs and addresses of proxies; `cloudflare` for all that Cloudflare publishes
   * @throws Error that names what is no CIDR
   */
  constructor(listed: readonly string[]) {
    this.#hasCloudflare = listed.includes(CLOUDFLARE);
    this.#isOurs = within(listed.filter((one) => one !== CLOUDFLARE));
    this.#isCloudflare = this.#hasCloudflare ? within(readCloudflareRanges().ranges) : NOBODY;
    this.#isAny = (address, hop) => this.#isOurs(address, hop) || this.#isCloudflare(address, hop);
  }

  /**
   * The address of the client. X-Forwarded-For is read from the right, as long as what stands there is
   * a proxy of the list: further left it is the client's to write. Where that leads to Cloudflare, or
   * to nobody but our own proxies in front of which Cloudflare stands, CF-Connecting-IP says it.
   */
  addressOf(req: IncomingMessage): string {
    const named = req.headers["cf-connecting-ip"];
    if (this.#hasCloudflare && typeof named === "string" && isIP(named)) {
      const nearest = proxyAddr.all(req, this.#isOurs).at(-1) ?? "";
      if (this.#isAny(nearest, 0)) return plain(named);
    }
    const known = proxyAddr.all(req, this.#isAny).findLast((address) => isIP(address ?? ""));
    return known === undefined ? "" : plain(known);
  }

  /** Is this the address of one of the listed proxies? */
  includes(address: string): boolean {
    return this.#isAny(address, 0);
  }

  /** Did the client come over https? X-Forwarded-Proto counts from the connection's own proxy. */
  isSecure(req: IncomingMessage): boolean {
    if ((req.socket as TLSSocket).encrypted) return true;
    if (!this.includes(req.socket.remoteAddress ?? "")) return false;
    return String(req.headers["x-forwarded-proto"]).split(",").at(-1)?.trim() === "https";
  }
}

/** Reads the list of TRUSTED_PROXIES; `none` is the empty one. */
export function readTrustedProxies(listed: readonly string[], problems: string[]): TrustedProxies {
  try {
    return new TrustedProxies(listed.length === 1 && listed[0] === "none" ? [] : listed);
  } catch (error) {
    problems.push(
      `TRUSTED_PROXIES must be none, cloudflare, or CIDRs with commas between: ${(error as Error).message}`,
    );
    return new TrustedProxies([]);
  }
}
