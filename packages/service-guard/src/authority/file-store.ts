import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { type CredentialRecord, type CredentialStore, recordStore } from "./store.ts";

/**
 * Keeps credentials in a JSON file, which is rewritten at each change. It is for a single guard node.
 *
 * @throws Error if the file cannot be read; a missing one is created at the first use
 */
export const fileStore = (path: string): CredentialStore =>
  recordStore(readRecords(path), (records) => {
    const draft = `${path}.${process.pid}.tmp`;
    writeFileSync(draft, JSON.stringify(records, undefined, 2), { mode: 0o600 });
    renameSync(draft, path);
  });

function readRecords(path: string): CredentialRecord[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const time = (value: string | null) => (value === null ? null : new Date(value));
  const records = JSON.parse(text) as Record<keyof CredentialRecord, string>[];
  return records.map(({ id, service, issuedAt, expiresAt, lastUsedAt, revokedAt }) => ({
    id,
    service,
    issuedAt: new Date(issuedAt),
    expiresAt: new Date(expiresAt),
    lastUsedAt: time(lastUsedAt),
    revokedAt: time(revokedAt),
  }));
}
