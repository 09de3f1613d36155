import { randomBytes } from "node:crypto";
import { existsSync, linkSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { GuardAuthority, makeSigningKey } from "moleculer-service-guard";
import type { DeclaredSecret } from "../contract/declarations/declared-secrets.ts";
import type { SecretContract } from "../contract/declarations/secret.ts";
import { withDraft } from "../files/draft.ts";
import { makeEncryptionKey } from "../encryption.ts";
import { makePrivate } from "../files/private-folder.ts";

/**
 * Writes a secret unless the file exists, and returns the file's content. The secret is written to a draft, which is
 * then linked to the file's name. So the file is never incomplete, and of several processes the first one writes it.
 */
export function writeOnce(file: string, make: () => string): string {
  makePrivate(dirname(file));
  if (existsSync(file)) return readFileSync(file, "utf8");
  withDraft(file, make(), (draft) => {
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  });
  return readFileSync(file, "utf8");
}

/** Replaces a file that is made from secrets. Readers see the old or the new content. */
export function rewrite(file: string, content: string): void {
  makePrivate(dirname(file));
  withDraft(file, content, (draft) => renameSync(draft, file));
}

/** A password of 24 letters and digits, about 140 bits. */
export const makePassword = () => randomBytes(18).toString("base64url").replace(/[-_]/g, "0");

const MAKE: Readonly<Record<SecretContract["type"], () => string>> = {
  key: makeEncryptionKey,
  password: makePassword,
  "private-key": makeSigningKey,
};

/**
 * Makes the secrets that the services declare, and keeps those that exist. Each is a file `<folder>/<service>/<name>`
 * of mode 0600. Credentials come last, since the guard's signing key, one of the other secrets, signs them.
 */
export function makeSecrets(folder: string, secrets: readonly DeclaredSecret[]): void {
  const fileOf = ({ service, name }: DeclaredSecret) => join(folder, service, name);
  for (const secret of secrets)
    if (secret.type !== "credential") writeOnce(fileOf(secret), MAKE[secret.type]);
  const signingKey = readFileSync(join(folder, "guard", "signing_key"), "utf8");
  const authority = new GuardAuthority({ signingKey });
  for (const secret of secrets)
    if (secret.type === "credential")
      writeOnce(fileOf(secret), () => authority.generate(secret.service).credential);
}
