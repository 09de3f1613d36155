import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the addresses from which Cloudflare connects are kept; `npm run cloudflare-ranges` renews it. */
export const RANGES_FILE = join(import.meta.dirname, "../../deploy/cloudflare/ip-ranges.json");

export interface CloudflareRanges {
  source: string;
  /** When they were read, `2026-01-31`. */
  date: string;
  /** CIDRs, IPv4 and IPv6. */
  ranges: string[];
}

export const readCloudflareRanges = (): CloudflareRanges =>
  JSON.parse(readFileSync(RANGES_FILE, "utf8")) as CloudflareRanges;
