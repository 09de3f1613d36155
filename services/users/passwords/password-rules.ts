import { createRequire } from "node:module";
import type * as ZxcvbnCommon from "@zxcvbn-ts/language-common";
import { CitadelError } from "../../../lib/errors/errors.ts";

/** bcrypt ignores the bytes after these. */
export const MAX_BYTES = 72;

const require = createRequire(import.meta.url);

let common: ReadonlySet<string> | undefined;

/** The most common passwords of published leaks, in lower case, from zxcvbn-ts (MIT). The first call loads them, in 40 ms. */
function commonPasswords(): ReadonlySet<string> {
  if (common) return common;
  const { dictionary } = require("@zxcvbn-ts/language-common") as typeof ZxcvbnCommon;
  return (common = new Set(dictionary["passwords-common"]));
}

/** The owner of a password. */
export interface PasswordOwner {
  readonly username: string;
  readonly email: string;
}

type PasswordFault = readonly [type: string, message: string];

function faultOf(password: string, owner: PasswordOwner | undefined): PasswordFault | undefined {
  if (Buffer.byteLength(password) > MAX_BYTES)
    return ["bytesMax", `The password must have at most ${MAX_BYTES} bytes.`];
  const lower = password.toLowerCase();
  if (commonPasswords().has(lower))
    return ["passwordCommon", "This is one of the most common passwords. Choose another one."];
  if (!owner) return undefined;
  if (lower.includes(owner.username.toLowerCase()))
    return ["passwordHasUsername", "The password must not contain the username."];
  const email = owner.email.toLowerCase();
  if (lower === email || lower === email.split("@", 1)[0])
    return ["passwordIsEmail", "The password must not be the e-mail address or its first part."];
  return undefined;
}

/**
 * Refuses passwords that attackers guess first, and those that are too long for bcrypt.
 *
 * @param field the request parameter, for the error
 * @throws CitadelError VALIDATION_ERROR: bytesMax, passwordCommon, passwordHasUsername, passwordIsEmail
 */
export function checkPassword(password: string, owner?: PasswordOwner, field = "password"): void {
  const fault = faultOf(password, owner);
  if (!fault) return;
  const [type, message] = fault;
  throw new CitadelError("VALIDATION_ERROR", { data: [{ field, type, message }] });
}
