import { dictionary } from "@zxcvbn-ts/language-common";
import { CitadelError } from "../../../lib/errors/errors.ts";

/** bcrypt ignores the bytes after these. */
export const MAX_BYTES = 72;

/** The most common passwords of published leaks, in lower case, from zxcvbn-ts (MIT). */
const COMMON_PASSWORDS: ReadonlySet<string> = new Set(dictionary["passwords-common"]);

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
  if (COMMON_PASSWORDS.has(lower))
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
