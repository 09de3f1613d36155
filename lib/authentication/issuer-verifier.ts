import { LRUCache } from "lru-cache";
import { AccessTokenVerifier } from "../tokens/access-token-verifier.ts";
import { remoteKeySet } from "../tokens/remote-key-set.ts";
import { isSafeSource } from "../tokens/source-url.ts";

/**
 * Whose access tokens are accepted. A URL is the issuer: the `ISSUER` of a Citadel deployment, character for character. Its
 * tokens are then accepted for every tenant and environment that it issues them for. With `tenantId` and `environmentId`
 * those of others are refused. `authEndpoint` is the issuer's URL.
 *
 * The URL is https, or http to this machine outside production (`NODE_ENV`).
 */
export type IssuerConfig =
  | string
  | {
      readonly authEndpoint: string;
      readonly tenantId: string;
      readonly environmentId: string;
    };

/** The most configurations whose keys and verified tokens are kept. */
const MAX_VERIFIERS = 100;

/** By the configuration, as JSON. */
const verifiers = new LRUCache<string, AccessTokenVerifier>({ max: MAX_VERIFIERS });

/** A session's end is announced on the bus alone. */
const NO_REVOCATIONS = { find: () => undefined, isCurrent: true, refresh: async () => {} };

/**
 * The verifier for a configuration, which fetches the issuer's keys when it needs them. Equal configurations share it.
 *
 * @throws TypeError for a configuration that cannot be used
 */
export function verifierOf(config: IssuerConfig): AccessTokenVerifier {
  const key = JSON.stringify(
    typeof config === "string"
      ? [config]
      : [config.authEndpoint, config.tenantId, config.environmentId],
  );
  const known = verifiers.get(key);
  if (known) return known;
  const verifier = makeVerifier(config);
  verifiers.set(key, verifier);
  return verifier;
}

function makeVerifier(config: IssuerConfig): AccessTokenVerifier {
  const isAny = typeof config === "string";
  const {
    authEndpoint: issuer,
    tenantId,
    environmentId,
  } = isAny ? { authEndpoint: config, tenantId: "", environmentId: "" } : config;
  if (!isSafeSource(issuer, process.env.NODE_ENV !== "production") || /[?#]/.test(issuer))
    throw new TypeError(
      "The issuer must be an https URL without a password, query or fragment; http is allowed only to this machine, and not in production.",
    );
  // left out in JavaScript, they would match no token, or every one
  if (!isAny && !(isText(tenantId) && isText(environmentId)))
    throw new TypeError("tenantId and environmentId must be strings that are not empty.");
  return new AccessTokenVerifier({
    issuer,
    tenantId,
    environmentId,
    isAnyDeployment: isAny,
    isRemote: true,
    trustedIssuers: [],
    permissionsOf: () => [],
    revocations: NO_REVOCATIONS,
    fetchKeys: remoteKeySet({ issuer, audience: issuer }),
    // the error has the cause
    onOutage: () => {},
  });
}

const isText = (value: unknown) => typeof value === "string" && value !== "";
