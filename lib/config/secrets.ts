import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DeclaredSecret, variableOf } from "../contract/declarations/declared-secrets.ts";
import { KEY_BYTES } from "../encryption.ts";

/** Reads a secret of a service, `("users", "auth_token")`; undefined: there is none. */
export type SecretReader = (service: string, name: string) => string | undefined;

/**
 * @param text reads a variable `X` of the environment, or the file that `X_FILE` names
 * @param folder where development keeps the secrets that it made
 */
export function secretReader(
  declared: readonly DeclaredSecret[],
  text: (variable: string) => string | undefined,
  folder: string | undefined,
): SecretReader {
  return (service, name) => {
    const secret = declared.find((one) => one.service === service && one.name === name);
    const value = text(secret?.variable ?? variableOf(service, name));
    if (value !== undefined || folder === undefined) return value;
    const file = join(folder, service, name);
    return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
  };
}

/** Whether it is a value that is copied from examples. */
const isPlaceholder = (value: string) =>
  /^(change[-_ ]?me|secret|password|placeholder|example|todo|x+)$/i.test(value.trim());

/** While one key replaces another, both are there, each on a line of its own. */
const isKey = (value: string) =>
  value.split(/\s+/).every((line) => Buffer.from(line, "base64url").length === KEY_BYTES);

/** The reasons why production cannot use these secrets. No message contains a value. */
export function secretProblems(declared: readonly DeclaredSecret[], read: SecretReader): string[] {
  const users = new Map<string, string>();
  return declared.flatMap(({ service, name, variable, type, isOptional }) => {
    const value = read(service, name);
    if (value === undefined)
      return isOptional ? [] : [`${variable} (or ${variable}_FILE) is missing`];
    if (isPlaceholder(value)) return [`${variable} is a placeholder`];
    if (type === "key" && !isKey(value))
      return [`${variable} must be ${KEY_BYTES} bytes in base64url`];
    const other = users.get(value);
    users.set(value, variable);
    return other === undefined
      ? []
      : [`${variable} has the value of ${other}: each secret must have its own`];
  });
}
