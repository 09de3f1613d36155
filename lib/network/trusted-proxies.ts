import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import proxyAddr from "proxy-addr";
import { readCloudflareRanges } from "./cloudflare-ranges.ts";

type Trust = (address: string, hop: number) => boolean;

/** Stands for all addresses of Cloudflare in TRUSTED_PROXIES. */
const CLOUDFLARE = "cloudflare";

const NONE: Trust = () => false;

/** Makes a function that finds addresses of these networks. @throws Error for a malformed CIDR */
function isWithin(networks: readonly string[]): Trust {
  for (const network of networks)
    if (!ipaddr.isValid(network) && !ipaddr.isValidCIDR(network))
      throw new Error(`'${network}' is not a CIDR`);
  return networks.length > 0 ? proxyAddr.compile([...networks]) : NONE;
}

/** Normalizes an address: an IPv4-mapped IPv6 address becomes an IPv4 address. */
const normalize = (address: string) => ipaddr.process(address).toString();

/** Where a request keeps the address of its client, which several limits need. */
const ADDRESS = Symbol("client address");

/** The client of a connection that no trusted proxy has opened: its address, normalized. Null: a proxy has opened it. */
type DirectClient = string | null;

/** Reads the client's address and scheme from proxy headers, only if the connection comes from a trusted proxy. */
export class TrustedProxies {
  readonly #isOurs: Trust;
  readonly #isCloudflare: Trust;
  readonly #isAny: Trust;
  readonly #hasCloudflare: boolean;
  /** By the address of the connection. */
  readonly #directClients = new LRUCache<string, { client: DirectClient }>({ max: 10_000 });

  /**
   * @param listed CIDRs and addresses of proxies; `cloudflare` for all that Cloudflare publishes
   * @throws Error for a malformed CIDR
   */
  constructor(listed: readonly string[]) {
    this.#hasCloudflare = listed.includes(CLOUDFLARE);
    this.#isOurs = isWithin(listed.filter((one) => one !== CLOUDFLARE));
    this.#isCloudflare = this.#hasCloudflare ? isWithin(readCloudflareRanges().ranges) : NONE;
    this.#isAny = (address, hop) => this.#isOurs(address, hop) || this.#isCloudflare(address, hop);
  }

  /**
   * The client's address. X-Forwarded-For is read from the right while its addresses are trusted proxies; the client can
   * write anything further left. If the nearest address that is not one of the operator's own proxies belongs to
   * Cloudflare, or there is none, CF-Connecting-IP has the client's address.
   */
  addressOf(req: IncomingMessage & { [ADDRESS]?: string }): string {
    return (req[ADDRESS] ??=
      this.#directClientOf(req.socket.remoteAddress ?? "") ?? this.#forwardedAddressOf(req));
  }

  #directClientOf(address: string): DirectClient {
    const known = this.#directClients.get(address);
    if (known !== undefined) return known.client;
    const client = this.includes(address) ? null : isIP(address) ? normalize(address) : "";
    this.#directClients.set(address, { client });
    return client;
  }

  #forwardedAddressOf(req: IncomingMessage): string {
    const named = req.headers["cf-connecting-ip"];
    if (this.#hasCloudflare && typeof named === "string" && isIP(named)) {
      const nearest = proxyAddr.all(req, this.#isOurs).at(-1) ?? "";
      if (this.#isAny(nearest, 0)) return normalize(named);
    }
    const known = proxyAddr.all(req, this.#isAny).findLast((address) => isIP(address ?? ""));
    return known === undefined ? "" : normalize(known);
  }

  /** Is this the address of one of the listed proxies? */
  includes(address: string): boolean {
    return this.#isAny(address, 0);
  }

  /** Did the client use https? A trusted proxy reports it in X-Forwarded-Proto. */
  isSecure(req: IncomingMessage): boolean {
    if ((req.socket as TLSSocket).encrypted) return true;
    if (this.#directClientOf(req.socket.remoteAddress ?? "") !== null) return false;
    return String(req.headers["x-forwarded-proto"]).split(",").at(-1)?.trim() === "https";
  }
}

/** Reads the list in TRUSTED_PROXIES; `none` is the empty list. */
export function readTrustedProxies(listed: readonly string[], problems: string[]): TrustedProxies {
  try {
    return new TrustedProxies(listed.length === 1 && listed[0] === "none" ? [] : listed);
  } catch (error) {
    problems.push(
      `TRUSTED_PROXIES must be 'none', 'cloudflare' or CIDRs, separated by commas: ${(error as Error).message}`,
    );
    return new TrustedProxies([]);
  }
}
