import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The addresses from which Cloudflare connects. `npm run cloudflare-ranges` updates the file. */
export const RANGES_FILE = join(import.meta.dirname, "../../deploy/cloudflare/ip-ranges.json");

export interface CloudflareRanges {
  source: string;
  /** The date of the download, such as `2026-01-31`. */
  date: string;
  /** CIDRs, IPv4 and IPv6. */
  ranges: string[];
}

export const readCloudflareRanges = (): CloudflareRanges =>
  JSON.parse(readFileSync(RANGES_FILE, "utf8")) as CloudflareRanges;
