import { LRUCache } from "lru-cache";
import { CitadelError, type ErrorType } from "../errors/errors.ts";
import { ACCESS_TOKEN_TYPE, type AccessTokenClaims, MAX_LIFETIME } from "./access-token.ts";
import { isSubjectType } from "./subject-type.ts";
import { foreignUser, type ForeignUserRules } from "./foreign-user.ts";
import {
  ALGORITHMS,
  type Claims,
  readHeader,
  readIssuer,
  TokenError,
  type VerificationKey,
  verifyJwt,
} from "./jwt.ts";
import { type Jwks, KeySet } from "./key-set.ts";
import { remoteKeySet } from "./remote-key-set.ts";
import { hashOfSession, type Revocations } from "./revocations.ts";
import type { TrustedIssuer } from "./trusted-issuer.ts";

/** Which access tokens a deployment accepts. */
export interface AccessTokenRules extends ForeignUserRules {
  trustedIssuers: readonly TrustedIssuer[];
}

export interface AccessTokenVerifierOptions extends AccessTokenRules {
  /** Fetches auth's public keys. The transport must authenticate auth. */
  fetchKeys: () => Promise<Jwks>;
  /** Called when the keys of a trusted issuer are unavailable. */
  onOutage: (issuer: string, error: unknown) => void;
  revocations: Pick<Revocations, "find" | "isCurrent" | "refresh">;
  /** Auth's tokens of every tenant and environment are accepted, not only those of `tenantId` and `environmentId`. */
  isAnyDeployment?: boolean;
  /** Auth is known by its URL only: an outage is a JwksError, and the keys are not fetched again for RETRY_INTERVAL. */
  isRemote?: boolean;
}

/** The age at which an issuer's keys are fetched again, in milliseconds. */
const MAX_KEY_AGE = 600_000;
/** The time until an issuer is asked again after a failure, in milliseconds. */
const RETRY_INTERVAL = 5_000;

/** The `typ` of trusted issuers' tokens: RFC 9068's, and the one in use before it. */
const FOREIGN_TYPES = [ACCESS_TOKEN_TYPE, "JWT"] as const;

/** An issuer whose tokens are accepted. */
interface Issuer {
  readonly keys: KeySet;
  readonly types: string | readonly string[];
  /** Null: any. */
  readonly audience: string | null;
  /** The error when its keys are unavailable. */
  readonly outage: ErrorType;
  /** Null: auth itself. */
  readonly trusted: TrustedIssuer | null;
}

/** A token whose signature and claims were verified. */
interface VerifiedToken {
  readonly user: AccessTokenClaims;
  readonly sessionHash: string;
  readonly kid: string;
  readonly key: VerificationKey;
  readonly keys: KeySet;
}

/** Verifies access tokens against their issuers' keys, and caches the result until `exp`. */
export class AccessTokenVerifier {
  readonly #options: AccessTokenVerifierOptions;
  /** By the value of `iss`. */
  readonly #issuers: ReadonlyMap<string, Issuer>;
  /** By the token. */
  readonly #verified = new LRUCache<string, VerifiedToken>({ max: 10_000 });
  /** The original claims of trusted issuers' tokens, by the user made from them. */
  readonly #foreign = new WeakMap<AccessTokenClaims, object>();

  constructor(options: AccessTokenVerifierOptions) {
    this.#options = options;
    const { issuer, trustedIssuers, fetchKeys, onOutage, isRemote = false } = options;
    const retryInterval = isRemote ? RETRY_INTERVAL : 0;
    const auth: Issuer = {
      keys: new KeySet({ fetch: fetchKeys, retryInterval, maxAge: MAX_KEY_AGE }),
      types: ACCESS_TOKEN_TYPE,
      audience: issuer,
      outage: isRemote ? "JwksError" : "IdentityServiceNotAccessible",
      trusted: null,
    };
    this.#issuers = new Map([
      ...trustedIssuers.map((one) => [one.issuer, toIssuer(one, onOutage)] as const),
      [issuer, auth],
    ]);
  }

  /**
   * The user of a token. Returns synchronously if the token or the key is cached.
   *
   * @throws CitadelError AccessTokenExpired, AccessTokenRevoked, AccessTokenVerificationFailed, SigningKeyNotFound;
   * IdentityServiceNotAccessible or JwksError if the issuer is unavailable
   */
  verify(token: string): AccessTokenClaims | Promise<AccessTokenClaims> {
    const known = this.#verified.get(token);
    // the key may have been withdrawn since
    if (known && known.keys.cached(known.kid) === known.key) return this.#checkNow(known);
    try {
      const issuer = this.#issuers.get(readIssuer(token));
      if (!issuer) throw new TokenError("The issuer is not trusted.");
      const { kid, alg } = readHeader(token, issuer.types);
      if (!ALGORITHMS.has(alg)) throw new TokenError("The algorithm is not supported.");
      const key = issuer.keys.cached(kid);
      return key
        ? this.#check(token, issuer, { kid, key })
        : this.#fetchAndCheck(token, issuer, kid);
    } catch (error) {
      throw toCitadelError(error);
    }
  }

  /**
   * The claims of a verified user as the issuer signed them. For display only: roles and permissions that a trusted
   * issuer states have no meaning here.
   */
  claimsOf(user: AccessTokenClaims): Record<string, unknown> {
    return { ...(this.#foreign.get(user) ?? user) };
  }

  /** Checks what changes after the signature was verified: expiry and revocation. */
  #checkNow(verified: VerifiedToken): AccessTokenClaims | Promise<AccessTokenClaims> {
    const { revocations } = this.#options;
    const { user, sessionHash } = verified;
    if (user.exp * 1000 <= Date.now()) throw new CitadelError("AccessTokenExpired");
    // auth has no sessions of trusted issuers' users
    if (this.#foreign.has(user)) return user;
    const revocation = revocations.find(sessionHash, user.generation);
    if (revocation === "ended") throw new CitadelError("AccessTokenRevoked");
    // a refresh gives the client a token of the new generation
    if (revocation === "superseded") throw new CitadelError("AccessTokenExpired");
    return revocations.isCurrent ? user : this.#refreshAndCheckNow(verified);
  }

  async #refreshAndCheckNow(verified: VerifiedToken): Promise<AccessTokenClaims> {
    await this.#options.revocations.refresh().catch((cause: unknown) => {
      throw new CitadelError("IdentityServiceNotAccessible", { cause });
    });
    return this.#checkNow(verified);
  }

  async #fetchAndCheck(token: string, issuer: Issuer, kid: string): Promise<AccessTokenClaims> {
    const key = await issuer.keys.get(kid).catch((cause: unknown) => {
      throw new CitadelError(issuer.outage, { cause });
    });
    if (!key) throw new CitadelError("SigningKeyNotFound");
    try {
      return await this.#check(token, issuer, { kid, key });
    } catch (error) {
      throw toCitadelError(error);
    }
  }

  #check(
    token: string,
    { keys, types, audience, trusted }: Issuer,
    { kid, key }: { kid: string; key: VerificationKey },
  ): AccessTokenClaims | Promise<AccessTokenClaims> {
    const claims = verifyJwt(token, key, {
      typ: types,
      issuer: trusted?.issuer ?? this.#options.issuer,
      audience,
      maxLifetime: MAX_LIFETIME,
      isForeign: trusted !== null,
    });
    const user = deepFreeze(
      trusted ? foreignUser(claims, trusted, this.#options) : this.#toAccessToken(claims),
    );
    if (trusted) this.#foreign.set(user, claims);
    const verified = { user, sessionHash: hashOfSession(user.sid), kid, key, keys };
    this.#verified.set(token, verified);
    return this.#checkNow(verified);
  }

  /** @throws TokenError unless these are the claims of an access token of this tenant and environment */
  #toAccessToken(claims: Claims & Record<string, unknown>): AccessTokenClaims {
    const { client_id, sid, generation, username, roles, permissions, subjectType } = claims;
    const { tenantId, environmentId } = claims;
    const { isAnyDeployment = false, ...own } = this.#options;
    if (
      typeof tenantId === "string" &&
      typeof environmentId === "string" &&
      (isAnyDeployment || (tenantId === own.tenantId && environmentId === own.environmentId)) &&
      typeof client_id === "string" &&
      client_id !== "" &&
      typeof sid === "string" &&
      sid !== "" &&
      Number.isSafeInteger(generation) &&
      typeof username === "string" &&
      Array.isArray(roles) &&
      typeof permissions === "object" &&
      permissions !== null &&
      isSubjectType(subjectType)
    )
      // each field was checked above; auth signed the rest
      return claims as Claims & Record<string, unknown> & AccessTokenClaims;
    throw new TokenError("The claims are not those of an access token of this deployment.");
  }
}

function toIssuer(
  trusted: TrustedIssuer,
  onOutage: AccessTokenVerifierOptions["onOutage"],
): Issuer {
  const fetchKeys = remoteKeySet(trusted);
  const fetch = () =>
    fetchKeys().catch((error: unknown) => {
      onOutage(trusted.issuer, error);
      throw error;
    });
  return {
    keys: new KeySet({ fetch, retryInterval: RETRY_INTERVAL, maxAge: MAX_KEY_AGE }),
    types: FOREIGN_TYPES,
    audience: trusted.audience,
    outage: "JwksError",
    trusted,
  };
}

/** All calls with the same token share the cached claims, so no handler may change them. */
function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

const toCitadelError = (error: unknown) =>
  error instanceof TokenError
    ? new CitadelError(
        error.reason === "expired" ? "AccessTokenExpired" : "AccessTokenVerificationFailed",
        { cause: error },
      )
    : error;
