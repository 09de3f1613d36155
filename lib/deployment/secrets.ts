import { randomBytes } from "node:crypto";
import { existsSync, linkSync, readFileSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { GuardAuthority, makeSigningKey } from "moleculer-service-guard";
import { withDraft } from "../files/draft.ts";
import { makeEncryptionKey } from "../encryption.ts";
import { makePrivate } from "../files/private-folder.ts";

/**
 * Writes a secret unless it is there, and returns what is there. Whole or not at all, and the first of
 * several processes wins: the content is linked into place.
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

/** Writes a file that follows from secrets, over what is there, whole or not at all. */
export function rewrite(file: string, content: string): void {
  makePrivate(dirname(file));
  withDraft(file, content, (draft) => renameSync(draft, file));
}

/** A password that is hard to guess and easy to carry: 144 bits, no punctuation. */
export const makePassword = () => randomBytes(18).toString("base64url").replace(/[-_]/g, "0");

/**
 * Makes the secrets that the services need, one subfolder for each, and keeps those that are there:
 * the guard's signing key, a credential for every service, the administrator's password, and the keys that
 * auth and users encrypt with what they store.
 *
 * @param folder where the subfolders go; files get mode 0600
 */
export function makeSecrets(folder: string, services: readonly string[]): void {
  const signingKey = writeOnce(join(folder, "guard", "signing_key"), makeSigningKey);
  const authority = new GuardAuthority({ signingKey });
  writeOnce(join(folder, "users", "admin_password"), makePassword);
  for (const service of ["auth", "users"])
    writeOnce(join(folder, service, "encryption_key"), makeEncryptionKey);
  for (const service of services)
    writeOnce(join(folder, service, "auth_token"), () => authority.generate(service).credential);
}
