import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import ipaddr from "ipaddr.js";
import {
  type CloudflareRanges,
  RANGES_FILE,
  readCloudflareRanges,
} from "../lib/network/cloudflare-ranges.ts";

// Updates the list of the addresses that Cloudflare connects from:
//
//   npm run cloudflare-ranges
//   npm run cloudflare-ranges -- --from https://www.cloudflare.com --to ranges.json

/** Cloudflare has had 22 ranges for years. With fewer than this the page is no list of ranges. */
const MIN_RANGES = 10;
/** The shortest prefixes that are accepted: the gateway trusts each address in a range. */
const MIN_PREFIX = { ipv4: 11, ipv6: 28 };

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "https://www.cloudflare.com" },
    to: { type: "string", default: RANGES_FILE },
  },
});

/** The page has one CIDR in each line. */
async function fetchList(path: string): Promise<string[]> {
  const response = await fetch(new URL(path, values.from), { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  const lines = (await response.text()).split("\n");
  return lines.map((line) => line.trim()).filter(Boolean);
}

function check(range: string): void {
  if (!ipaddr.isValidCIDR(range)) throw new Error(`'${range.slice(0, 50)}' is no CIDR`);
  const [address, bits] = ipaddr.parseCIDR(range);
  if (bits < MIN_PREFIX[address.kind()]) throw new Error(`${range} is too wide to be Cloudflare's`);
}

try {
  const ranges = [...(await fetchList("/ips-v4")), ...(await fetchList("/ips-v6"))];
  ranges.forEach(check);
  if (ranges.length < MIN_RANGES) throw new Error(`only ${ranges.length} ranges`);
  const known = readCloudflareRanges().ranges;
  const updated: CloudflareRanges = {
    source: `${new URL("/ips-v4", values.from).href} and -v6`,
    date: new Date().toISOString().slice(0, 10),
    ranges,
  };
  writeFileSync(values.to, `${JSON.stringify(updated, null, 2)}\n`);
  for (const range of ranges) if (!known.includes(range)) console.log(`+ ${range}`);
  for (const range of known) if (!ranges.includes(range)) console.log(`- ${range}`);
  console.log(`${ranges.length} ranges in ${values.to}. Commit it, and restart the gateways.`);
} catch (error) {
  console.error(
    `The list was not updated: ${(error as Error).message}.\n` +
      "Compare it with https://www.cloudflare.com/ips/ and try again.",
  );
  process.exitCode = 1;
}
