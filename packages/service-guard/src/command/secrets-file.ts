import { appendFileSync, chmodSync, readFileSync, statSync } from "node:fs";
import { parseEnv } from "node:util";
import { GuardAuthority } from "../authority/authority.ts";
import { checkServiceName } from "../authority/service-name.ts";
import { credentialVariable } from "../tokens/credential-variable.ts";
import { makeSigningKey } from "../tokens/signing-key.ts";

const KEY = "GUARD_SIGNING_KEY";

interface Added {
  /** The variables that were added. */
  made: string[];
  /** The variables that the file had already. */
  kept: string[];
  /** Was the file readable by others than its owner? */
  wasReadable: boolean;
}

/**
 * Adds the guard's signing key and the credentials of services to a file of environment variables, and keeps
 * what is in it. The file is readable by its owner only (mode 0600).
 *
 * @param givenKey a signing key that is stored elsewhere; the file then gets none
 * @throws Error for an invalid name of a service, or an invalid signing key
 */
export function addSecrets(file: string, services: readonly string[], givenKey?: string): Added {
  for (const service of services) checkServiceName(service);
  const text = readText(file);
  const known = parseEnv(text) as Partial<Record<string, string>>;
  const signingKey = known[KEY] || givenKey || makeSigningKey();
  const authority = new GuardAuthority({ signingKey });

  const secrets = new Map<string, () => string>(
    services.map((service) => [
      credentialVariable(service),
      () => authority.generate(service).credential,
    ]),
  );
  // on one line, which every reader of such files understands
  if (known[KEY] || !givenKey) secrets.set(KEY, () => JSON.stringify(signingKey.trimEnd()));

  const names = [...secrets.keys()].toSorted();
  const made = names.filter((name) => !known[name]);
  const lines = made.map((name) => `${name}=${secrets.get(name)?.()}\n`);
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  const wasReadable = restrict(file);
  if (made.length > 0) appendFileSync(file, separator + lines.join(""), { mode: 0o600 });
  return { made, kept: names.filter((name) => known[name]), wasReadable };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** Makes the file readable by its owner only, before secrets are added. @returns was it readable by others? */
function restrict(file: string): boolean {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  // Windows has no such modes
  if (process.platform === "win32" || (mode & 0o077) === 0) return false;
  chmodSync(file, 0o600);
  return true;
}
