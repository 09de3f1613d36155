import { dictionary } from "@zxcvbn-ts/language-common";
import { CitadelError } from "../../../lib/errors/errors.ts";

/** bcrypt takes no notice of what stands after this many bytes. */
export const MAX_BYTES = 72;

/** The commonest passwords, in small letters: those of zxcvbn-ts (MIT), from published leaks. */
const COMMONEST: ReadonlySet<string> = new Set(dictionary["passwords-common"]);

/** Whose password it is. */
export interface Owner {
  readonly username: string;
  readonly email: string;
}

/** What is wrong with a password: a finding's type, and what to do. */
type Fault = readonly [type: string, message: string];

function faultOf(password: string, owner: Owner | undefined): Fault | undefined {
  if (Buffer.byteLength(password) > MAX_BYTES)
    return ["bytesMax", `The password must have at most ${MAX_BYTES} bytes.`];
  const lower = password.toLowerCase();
  if (COMMONEST.has(lower))
    return ["passwordCommon", "This is one of the commonest passwords. Choose another."];
  if (!owner) return undefined;
  if (lower.includes(owner.username.toLowerCase()))
    return ["passwordHasUsername", "The password must not contain the username."];
  const email = owner.email.toLowerCase();
  if (lower === email || lower === email.split("@", 1)[0])
    return ["passwordIsEmail", "The password must not be the e-mail address, or its first part."];
  return undefined;
}

/**
 * Refuses passwords that are guessed first, and those that bcrypt would cut.
 *
 * @param field the parameter that the password came in
 * @throws CitadelError VALIDATION_ERROR: bytesMax, passwordCommon, passwordHasUsername, passwordIsEmail
 */
export function checkPassword(password: string, owner?: Owner, field = "password"): void {
  const fault = faultOf(password, owner);
  if (!fault) return;
  const [type, message] = fault;
  throw new CitadelError("VALIDATION_ERROR", { data: [{ field, type, message }] });
}
