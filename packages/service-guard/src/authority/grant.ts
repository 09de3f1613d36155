import type { PublishedKeys } from "../tokens/published-keys.ts";

/** What a node asks the guard for: an identity for each of its credentials. */
export interface ExchangeRequest {
  nodeID: string;
  /** Each credential's name, and the MAC that proves that the node holds it. */
  credentials: [name: string, mac: string][];
  /**
   * A former identity token. It certifies the node id for a key other than the first, where the channel
   * that could have done so has ended.
   */
  previous?: string | undefined;
}

/** Why the guard issues no identity for a credential. */
export type RefusalReason =
  | "invalid"
  | "revoked"
  | "another service's"
  | "another service's node"
  | "node id not certified"
  | "too many keys";

/** For each credential of the request, in its order: an identity token, and the guard's own proof that it knows the credential. */
export type GrantedIdentity =
  | { service: string; identity: string; proof: string }
  | { refused: RefusalReason };

export interface RevokedCredential {
  id: string;
  /** Until when tokens of it may be found, in milliseconds since the epoch. */
  until: number;
}

/** What guard nodes tell every node on the channels between them. */
export interface GuardState {
  keys: PublishedKeys;
  revoked: RevokedCredential[];
}

/** What the guard responds to an ExchangeRequest. */
export interface Grant extends GuardState {
  /** The guard's time, in milliseconds since the epoch. */
  time: number;
  credentials: GrantedIdentity[];
}
