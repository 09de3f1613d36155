import { isNodeIDOf, ANY_SERVICE, prefixOf } from "../bus/node-id.ts";
import { kidOf } from "../bus/node-key.ts";
import {
  credentialMac,
  isSameMac,
  readCredential,
  recallCredential,
  signCredential,
} from "../tokens/credential.ts";
import { signIdentity, verifyIdentity } from "../tokens/identity-token.ts";
import { type Claims, TokenError } from "../tokens/jwt.ts";
import { publishKeys, type PublishedKeys, TrustedKeys } from "../tokens/published-keys.ts";
import { readSigningKeys, type SigningKey } from "../tokens/signing-key.ts";
import type {
  ExchangeRequest,
  Grant,
  GrantedIdentity,
  GuardState,
  RefusalReason,
  RevokedCredential,
} from "./grant.ts";
import { ActiveKeys } from "./active-keys.ts";
import { type CredentialRecord, type CredentialStore, memoryStore } from "./store.ts";

export interface GuardAuthorityOptions {
  /** EC P-256 keys, PKCS #8 in PEM. The first signs; the others are published, while keys are being changed. */
  signingKey: string | undefined;
  store?: CredentialStore;
  /** The lifetime of an identity token, in seconds. Default: 300. */
  identityTtl?: number;
}

/** How a request reached the guard, and the bytes that it is bound to. */
export interface ExchangeContext {
  namespace: string;
  /** The key that the identity tokens will be bound to. Its holder has sealed the request. */
  publicKey: Buffer;
  /** The bytes that the MACs of the request cover. */
  binding: Buffer;
  /** The node on whose channel the request came, if it came on one. */
  provedNodeID?: string | undefined;
}

/** How long the endorsements of the keys are reused, in milliseconds. */
const PUBLICATION_AGE = 3_600_000;

/** Creates credentials, and issues identity tokens for them. */
export class GuardAuthority {
  readonly identityTtl: number;
  readonly #keys: readonly [SigningKey, ...SigningKey[]];
  readonly #store: CredentialStore;
  readonly #activeKeys = new ActiveKeys();
  readonly #listeners = new Set<() => void>();
  /** The ids of its own process's credentials. */
  readonly #own = new Set<string>();
  #published: { keys: PublishedKeys; at: number } | undefined;

  /** @throws Error for an invalid signing key */
  constructor({ signingKey, store = memoryStore(), identityTtl = 300 }: GuardAuthorityOptions) {
    this.#keys = readSigningKeys(signingKey);
    this.#store = store;
    this.identityTtl = identityTtl;
  }

  /** The `kid`s of its signing keys. The first one signs. */
  get kids(): string[] {
    return this.#keys.map(({ kid }) => kid);
  }

  /** Creates a credential for a service. */
  generate(service: string): { credential: string; id: string } {
    const credential = signCredential(this.#keys[0], service);
    const { claims } = recallCredential(this.#keys, readCredential(credential).name);
    return { credential, id: claims.jti };
  }

  /** Creates a credential for the guard's own process, which holds the signing key anyway. It is not stored. */
  generateOwn(): string {
    const { credential, id } = this.generate("guard");
    this.#own.add(id);
    return credential;
  }

  /** The credentials that were used at least once. */
  list(): Promise<CredentialRecord[]> {
    return this.#store.list();
  }

  /** Revokes a credential, on every node within two seconds. @returns undefined if no credential with this id was used */
  async revoke(id: string): Promise<CredentialRecord | undefined> {
    const record = await this.#store.revoke(id);
    if (record) for (const listener of this.#listeners) listener();
    return record;
  }

  /** Calls the listener after each revocation by this node. @returns a function that removes the listener */
  onRevoked(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The guard's keys, and the revoked credentials whose identity tokens may still be unexpired. */
  async state(): Promise<GuardState> {
    return { keys: this.publishedKeys, revoked: await this.#revoked() };
  }

  async #revoked(): Promise<RevokedCredential[]> {
    // with the leeway, which is a tenth of the lifetime
    const life = this.identityTtl * 1_100;
    const revoked = await this.#store.revokedSince(new Date(Date.now() - life));
    return revoked.map(({ id, revokedAt }) => ({ id, until: revokedAt.getTime() + life }));
  }

  /** The public keys, each endorsing all. */
  get publishedKeys(): PublishedKeys {
    if (!this.#published || Date.now() - this.#published.at > PUBLICATION_AGE)
      this.#published = { keys: publishKeys(this.#keys), at: Date.now() };
    return this.#published.keys;
  }

  /** Issues an identity token for each credential that the request proves. The response has the reason of each refusal. */
  async exchange(request: unknown, context: ExchangeContext): Promise<Grant> {
    const { nodeID, credentials, previous } = readRequest(request);
    const isCertified =
      isNodeIDOf(nodeID, context.publicKey) ||
      context.provedNodeID === nodeID ||
      this.#certifies(previous, nodeID, context);
    const granted: GrantedIdentity[] = [];
    for (const [name, mac] of credentials)
      granted.push(
        isCertified
          ? await this.#grant(nodeID, name, mac, context)
          : { refused: "node id not certified" },
      );
    return { time: Date.now(), ...(await this.state()), credentials: granted };
  }

  async #grant(
    nodeID: string,
    name: string,
    mac: string,
    { namespace, publicKey, binding }: ExchangeContext,
  ): Promise<GrantedIdentity> {
    const proved = this.#prove(name, mac, binding, nodeID);
    if (!proved) return { refused: "invalid" };
    const { claims, proof } = proved;
    const prefix = prefixOf(nodeID);
    if (prefix !== ANY_SERVICE && prefix !== claims.sub)
      return { refused: "another service's node" };
    const { jti: id, sub: service, iat, exp } = claims;
    const use = { id, service, issuedAt: new Date(iat * 1000), expiresAt: new Date(exp * 1000) };
    if (!this.#own.has(id) && !(await this.#store.use(use))) return { refused: "revoked" };
    const end = Date.now() + this.identityTtl * 1_100;
    if (!this.#activeKeys.add(id, kidOf(publicKey).toString("hex"), end))
      return { refused: "too many keys" satisfies RefusalReason };
    const lifetime = this.identityTtl;
    const options = { service, namespace, nodeID, credential: id, publicKey, lifetime };
    return { service, identity: signIdentity(this.#keys[0], options), proof };
  }

  /** Verifies the MAC of a credential, and creates the guard's own, which proves that it knows the credential. */
  #prove(name: string, mac: string, binding: Buffer, nodeID: string) {
    let recalled: { claims: Claims; secret: Parameters<typeof credentialMac>[0] };
    try {
      recalled = recallCredential(this.#keys, name);
    } catch (error) {
      if (error instanceof TokenError) return undefined;
      throw error;
    }
    const { claims, secret } = recalled;
    if (!isSameMac(credentialMac(secret, "", binding, nodeID), mac)) return undefined;
    return { claims, proof: credentialMac(secret, "grant", binding, nodeID) };
  }

  /** Did the guard issue an earlier identity token for this node and this key? */
  #certifies(
    previous: unknown,
    nodeID: string,
    { namespace, publicKey }: ExchangeContext,
  ): boolean {
    if (previous === undefined) return false;
    const keys = new TrustedKeys();
    for (const kid of this.kids) keys.addAnchor(kid);
    keys.offer(this.publishedKeys, Date.now());
    try {
      const identity = verifyIdentity(previous, { keys, namespace });
      return identity.nodeID === nodeID && identity.publicKey.equals(publicKey);
    } catch {
      return false;
    }
  }
}

/** Reads a request, which may be anything, and leaves out malformed credentials. */
function readRequest(request: unknown): ExchangeRequest {
  const { nodeID, credentials, previous } = (request ?? {}) as Partial<ExchangeRequest>;
  const isPair = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && typeof pair[0] === "string" && typeof pair[1] === "string";
  return {
    nodeID: typeof nodeID === "string" ? nodeID : "",
    credentials: (Array.isArray(credentials) ? credentials.slice(0, 50) : []).filter(isPair),
    previous,
  };
}
