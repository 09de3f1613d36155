/** A duration as text: 45 seconds, 12 minutes, 3 hours. */
function inWords(seconds: number): string {
  const [size, unit] =
    seconds < 120 ? [1, "second"] : seconds < 7_200 ? [60, "minute"] : [3_600, "hour"];
  const count = Math.ceil(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

const BY_MAIL = "set a new password now with a link by mail ('Forgot password')";
const FROM_KNOWN = "sign in from a network that you have signed in from before";

/** The reason of each refusal, and what the user can do besides waiting. A new password does not lift `address`. */
const TEXTS = {
  pair: [
    "Too many wrong passwords or codes for this account from your network.",
    `sign in from another network, or ${BY_MAIL}`,
  ],
  account: ["Too many wrong passwords or codes for this account.", `${FROM_KNOWN}, or ${BY_MAIL}`],
  address: [
    "Too many wrong passwords or codes from your network.",
    "or sign in from another network",
  ],
  everywhere: [
    "Too many wrong passwords or codes from all over the Internet.",
    `${FROM_KNOWN}, or ${BY_MAIL}`,
  ],
} as const;

export type LoginLimitName = keyof typeof TEXTS;

/** The message of a refused login. It does not depend on whether the account exists. */
export function loginLimitMessage(limit: LoginLimitName, retryAfter: number): string {
  const [reason, waysOut] = TEXTS[limit];
  return `${reason} Try again in ${inWords(retryAfter)}, ${waysOut}.`;
}

export const codeLimitMessage = (retryAfter: number): string =>
  `Too many wrong codes for this account. Try again in ${inWords(retryAfter)}, or send a recovery code.`;

export const recoveryCodeLimitMessage = (retryAfter: number): string =>
  `Too many wrong recovery codes for this account. Try again in ${inWords(retryAfter)}, ` +
  "or ask an administrator to remove the second factor.";
