/** A secret of one service: no other service reads it, and no two secrets have the same value. */
export interface SecretContract {
  readonly description: string;
  /** `key`: 32 random bytes in base64url; `private-key`: an ECDSA key on P-256, in PEM. */
  readonly type: "key" | "password" | "private-key";
  /** The environment variable; left out: `<SERVICE>_<NAME>`. */
  readonly variable?: string;
  /** Production also starts without it. */
  readonly optional?: true;
}
