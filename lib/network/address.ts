import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";

/** A network that limits count an address for. */
export interface NetworkKey {
  readonly key: string;
  /** The limit of this network, as a multiple of the narrowest network's limit. */
  readonly factor: number;
}

/**
 * The IPv6 networks that limits count, from narrow to wide. Providers assign a customer a /64, a /56 or a /48
 * (RFC 6177). A limit of the /64 alone would not bind a customer with 65,536 of them.
 */
const IPV6_NETWORKS = [
  { prefix: 64, factor: 1 },
  { prefix: 56, factor: 1.5 },
  { prefix: 48, factor: 2 },
] as const;

/** The factors of all networks. A limiter with a fixed limit is needed for each. */
export const NETWORK_FACTORS: readonly number[] = IPV6_NETWORKS.map(({ factor }) => factor);

/** The IPv6 networks whose addresses contain an IPv4 address, and how to read it from the 16 bytes. */
const EMBEDDED: readonly (readonly [cidr: string, read: (bytes: number[]) => number[]])[] = [
  // mapped (RFC 4291, 2.5.5.2), translated (RFC 2765), NAT64 (RFC 6052)
  ["::ffff:0:0/96", (bytes) => bytes.slice(12)],
  ["::ffff:0:0:0/96", (bytes) => bytes.slice(12)],
  ["64:ff9b::/96", (bytes) => bytes.slice(12)],
  // local NAT64 (RFC 8215): after a prefix of 48 bits the address surrounds the ninth byte (RFC 6052, 2.2)
  [
    "64:ff9b:1::/48",
    (bytes) =>
      bytes.slice(11).some(Boolean)
        ? bytes.slice(12)
        : [...bytes.slice(6, 8), ...bytes.slice(9, 11)],
  ],
  // 6to4 (RFC 3056), Teredo (RFC 4380, inverted)
  ["2002::/16", (bytes) => bytes.slice(2, 6)],
  ["2001::/32", (bytes) => bytes.slice(12).map((byte) => byte ^ 0xff)],
];

const readers = EMBEDDED.map(([cidr, read]) => ({ network: ipaddr.IPv6.parseCIDR(cidr), read }));

/** The IPv4 address that an IPv6 address contains; otherwise the address itself. */
function unwrap(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  if (address instanceof ipaddr.IPv4) return address;
  const reader = readers.find(({ network }) => address.match(network));
  return reader ? new ipaddr.IPv4(reader.read(address.toByteArray())) : address;
}

function networkOf(address: ipaddr.IPv6, prefix: number): string {
  const bytes = address.toByteArray().map((byte, at) => (at < prefix / 8 ? byte : 0));
  return `${new ipaddr.IPv6(bytes).toString()}/${prefix}`;
}

/**
 * The networks that limits count an address for, from narrow to wide: an IPv4 address itself, also inside an IPv6 address;
 * the /64, /56 and /48 of an IPv6 address. Text that is not an address is its own key.
 */
export function networkKeysOf(address: string): NetworkKeys {
  const known = keys.get(address);
  if (known) return known;
  const made = makeKeys(address);
  keys.set(address, made);
  return made;
}

type NetworkKeys = readonly [NetworkKey, ...NetworkKey[]];

/** By address, since parsing one costs more than the limits that use it. */
const keys = new LRUCache<string, NetworkKeys>({ max: 10_000 });

function makeKeys(address: string): NetworkKeys {
  if (!ipaddr.isValid(address)) return [{ key: address, factor: 1 }];
  const parsed = unwrap(ipaddr.parse(address));
  if (parsed instanceof ipaddr.IPv4) return [{ key: parsed.toString(), factor: 1 }];
  const [first, ...wider] = IPV6_NETWORKS;
  const toKey = ({ prefix, factor }: (typeof IPV6_NETWORKS)[number]): NetworkKey => ({
    key: networkOf(parsed, prefix),
    factor,
  });
  return [toKey(first), ...wider.map(toKey)];
}

/** The narrowest network that limits count: an IPv4 address, or a /64. */
export const limitKeyOf = (address: string): string => networkKeysOf(address)[0].key;

/** The widest network that limits count: an IPv4 address, or a /48, the largest network of one customer. */
export const widestKeyOf = (address: string): string =>
  networkKeysOf(address).at(-1)?.key ?? address;
