import ipaddr from "ipaddr.js";

/** How many 16-bit groups of an IPv6 address name a network: /64 is what one subscriber gets. */
const NETWORK_GROUPS = 4;

/** What limits count an address by: IPv4 as it is, also where it came mapped into IPv6; IPv6 by its /64. */
export function limitKeyOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  const groups = parsed.parts.map((group, at) => (at < NETWORK_GROUPS ? group : 0));
  return `${new ipaddr.IPv6(groups).toString()}/64`;
}
