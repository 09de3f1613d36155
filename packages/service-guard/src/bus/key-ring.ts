import { makeNodeKey, type NodeKey } from "./node-key.ts";

/** This process's X25519 keys: the current one, and others that frames may still arrive for. */
export class KeyRing {
  /** The node id is derived from it. Only the public part is kept: the private part must not outlive `drop`. */
  readonly firstPublicKey: Buffer;
  #current: NodeKey = makeNodeKey();
  readonly #byKid = new Map<string, NodeKey>();

  constructor() {
    this.firstPublicKey = this.#current.publicKey;
    this.add(this.#current);
  }

  /** The key to send with. */
  get current(): NodeKey {
    return this.#current;
  }

  get(kid: string): NodeKey | undefined {
    return this.#byKid.get(kid);
  }

  /** Accepts frames for a key. */
  add(key: NodeKey): void {
    this.#byKid.set(key.kid.toString("latin1"), key);
  }

  /** Makes a key the current one. */
  use(key: NodeKey): void {
    this.#current = key;
  }

  /** Drops a key. Nobody can open its recorded frames afterwards. */
  drop(key: NodeKey): void {
    this.#byKid.delete(key.kid.toString("latin1"));
  }
}
