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
  /** Those that the file had. */
  kept: string[];
  /** Could others than its owner read the file? */
  wasReadable: boolean;
}

/**
 * Adds the guard's signing key and the credentials of services to a file of environment variables, and
 * changes nothing that is in it. The file is for its owner alone (mode 0600).
 *
 * @param givenKey a signing key that is kept elsewhere; the file then gets none
 * @throws Error for a name that no service can have, or a signing key that cannot be used
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

/** Takes the file from everybody but its owner, before a secret is in it. @returns whether others could read it */
function restrict(file: string): boolean {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  // Windows has no such modes
  if (process.platform === "win32" || (mode & 0o077) === 0) return false;
  chmodSync(file, 0o600);
  return true;
}
