import type { PublishedKeys } from "../tokens/published-keys.ts";

/** A node's request for an identity token for each of its credentials. */
export interface ExchangeRequest {
  nodeID: string;
  /** The name of each credential, and the MAC that proves that the node holds it. */
  credentials: [name: string, mac: string][];
  /**
   * An earlier identity token. It certifies the node id for a key other than the first, if the channel that
   * otherwise certifies it has ended.
   */
  previous?: string | undefined;
}

/** Why the guard issues no identity token for a credential. */
export type RefusalReason =
  | "invalid"
  | "revoked"
  | "another service's"
  | "another service's node"
  | "node id not certified"
  | "too many keys";

/** For each credential of the request, in its order: the identity token, and the guard's proof that it knows the credential. */
export type GrantedIdentity =
  | { service: string; identity: string; proof: string }
  | { refused: RefusalReason };

export interface RevokedCredential {
  id: string;
  /** When the last identity token of the credential expires, in milliseconds since the epoch. */
  until: number;
}

/** What a guard node sends every node on the channel between them. */
export interface GuardState {
  keys: PublishedKeys;
  revoked: RevokedCredential[];
}

/** The guard's response to an ExchangeRequest. */
export interface Grant extends GuardState {
  /** The guard's time, in milliseconds since the epoch. */
  time: number;
  credentials: GrantedIdentity[];
}
