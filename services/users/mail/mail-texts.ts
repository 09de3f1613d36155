import type { NOTICE_NAMES } from "../users.schemas.ts";
import type { LinkPurpose } from "./links.repository.ts";
import type { Mail } from "./mailer.ts";

/**
 * The subjects and texts of all mails. They contain no text that another person can choose, such as a username: mails
 * go to addresses that nobody has verified, and would carry that text in the operator's name. Only
 * `addressAlreadyRegistered` has a username, that of the recipient's own account.
 */
export type MailContent = Omit<Mail, "to">;

export type Notice = (typeof NOTICE_NAMES)[number];

/** A link, and its token alone for people who use the API themselves. */
interface Link {
  readonly url: string;
  readonly token: string;
}

const paragraphs = (...texts: string[]) => `${texts.join("\n\n")}\n`;

const linkParagraphs = ({ url, token }: Link) =>
  [`  ${url}`, `If you use the API directly, this is the token:\n\n  ${token}`] as const;

const EMAIL_CHANGED =
  "The e-mail address of your account was changed. Future mails go to the new address.";

const IF_NOT_YOU =
  'If you did not do this, set a new password immediately ("Forgot password" mails you a link),\n' +
  "and tell the operator of this service.";

export const LINK_MAILS: Readonly<Record<LinkPurpose, (link: Link) => MailContent>> = {
  "reset-password": (link) => ({
    subject: "Set a new password",
    text: paragraphs(
      "We received a request for a new password for the account with this e-mail address.\n" +
        "Use this link to set one. It works once within the next 30 minutes, unless a newer link is requested:",
      ...linkParagraphs(link),
      "If you did not request this, please ignore this mail. Your password stays the same.",
    ),
  }),
  "verify-email": (link) => ({
    subject: "Please verify your e-mail address",
    text: paragraphs(
      "This e-mail address was entered for an account.\n" +
        "If the address is yours, use this link to verify it. It works once within the next 24 hours:",
      ...linkParagraphs(link),
      "An account that you registered yourself is removed after 7 days unless you verify an address.",
      "If you do not know of this account, please ignore this mail.",
    ),
  }),
  "restore-email": (link) => ({
    subject: "Your e-mail address was changed",
    text: paragraphs(
      EMAIL_CHANGED,
      "If you did not do this, use this link within the next three days. It restores this address and\n" +
        "signs out all devices:",
      ...linkParagraphs(link),
      "The address can only be changed with your password, so another person may know it. After using the\n" +
        'link, set a new password ("Forgot password" mails you a link), and tell the operator of this service.',
    ),
  }),
};

const passwordChanged: MailContent = {
  subject: "Your password was changed",
  text: paragraphs(
    "The password of your account was changed, and its other sessions were signed out.",
    IF_NOT_YOU,
  ),
};

const emailRestored: MailContent = {
  subject: "Your e-mail address was restored",
  text: paragraphs(
    "Your account has this e-mail address again, and all its sessions were signed out.",
    "The person who changed the address knew your password. Please set a new one immediately\n" +
      '("Forgot password" mails you a link).',
  ),
};

/** An administrator changed the address, so that no link restores it. */
const emailReplaced: MailContent = {
  subject: "Your e-mail address was changed",
  text: paragraphs(
    EMAIL_CHANGED,
    "If you did not expect this, please tell the operator of this service immediately.",
  ),
};

const secondFactorEnabled: MailContent = {
  subject: "Two-factor authentication was enabled",
  text: paragraphs(
    "A second factor was set up for your account. Signing in now requires a code from your authenticator app.",
    IF_NOT_YOU,
  ),
};

const recoveryCodesRenewed: MailContent = {
  subject: "Your recovery codes were renewed",
  text: paragraphs(
    "New recovery codes were created for your account. Your old recovery codes no longer work.",
    IF_NOT_YOU,
  ),
};

const secondFactorGuessed: MailContent = {
  subject: "Another person may know your password",
  text: paragraphs(
    "Several wrong codes of your second factor were entered together with the right password.\n" +
      "The sign-in failed. Each further wrong code makes the waiting time longer.",
    "If this was you, you can sign in with a recovery code.",
    'If this was not you, please set a new password immediately ("Forgot password" mails you a link).',
  ),
};

/** The mails that tell of a change and have no link. */
export const NOTICES: Readonly<Record<Notice, MailContent>> = {
  "password-changed": passwordChanged,
  "email-restored": emailRestored,
  "email-replaced": emailReplaced,
  "second-factor-enabled": secondFactorEnabled,
  "recovery-codes-renewed": recoveryCodesRenewed,
  "second-factor-guessed": secondFactorGuessed,
};

/** To the owner of an address that another account claims. */
export const addressAlreadyRegistered = (username: string): MailContent => ({
  subject: "You already have an account",
  text: paragraphs(
    "Another account was registered with your e-mail address, or was changed to it.\n" +
      `You already have an account: ${username}`,
    "No other account can verify your address. If this was you, please sign in with that account, or set\n" +
      'a new password ("Forgot password" mails you a link). If it was not you, please ignore this mail.',
  ),
});
