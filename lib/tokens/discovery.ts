import { fetchJson } from "./fetch-json.ts";
import { isSafeSource } from "./source-url.ts";

/**
 * Finds the URL of an issuer's keys in its metadata; if it publishes none, the URL that is usual.
 *
 * @param issuer an https URL, or http to this machine
 * @throws Error if the metadata is unavailable, another issuer's, or names no safe URL
 * @see OpenID Connect Discovery 1.0, 4; RFC 8414, 3
 */
export async function discoverKeySet(issuer: string, signal: AbortSignal): Promise<string> {
  const base = issuer.replace(/\/$/, "");
  const { origin, pathname } = new URL(issuer);
  for (const uri of [
    `${base}/.well-known/openid-configuration`,
    // RFC 8414 puts the issuer's path last
    `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`,
  ]) {
    const metadata = await fetchJson(uri, signal);
    if (metadata !== undefined) return keySetOf(metadata, issuer);
  }
  return `${base}/.well-known/jwks.json`;
}

function keySetOf(metadata: unknown, issuer: string): string {
  const { issuer: stated, jwks_uri: uri } = (metadata ?? {}) as Record<string, unknown>;
  // another issuer's metadata would name that issuer's keys (RFC 8414, 3.3 and 6.2)
  if (stated !== issuer) throw new Error("The issuer's metadata states another issuer.");
  // the settings allow an http issuer only in development, on this machine
  if (!isSafeSource(uri, new URL(issuer).protocol === "http:"))
    throw new Error("The jwks_uri in the issuer's metadata is no https URL without a password.");
  return uri;
}
