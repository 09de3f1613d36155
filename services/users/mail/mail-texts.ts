import type { Mail } from "./mailer.ts";
import type { LinkPurpose } from "./links.repository.ts";

/**
 * What the mails say. None has a word that somebody else could choose, a username for one: mail goes to
 * addresses that nobody has shown to own, and would carry it there in our name. `addressClaimed` has the
 * username of the account that has verified the address that it goes to.
 */
type Content = Omit<Mail, "to">;

/** A link, and its token for those who use the API themselves. */
export interface Link {
  readonly url: string;
  readonly token: string;
}

const paragraphs = (...texts: string[]) => `${texts.join("\n\n")}\n`;

const show = ({ url, token }: Link) => ["  " + url, `The token alone:\n\n  ${token}`] as const;

const EMAIL_CHANGED =
  "Your account has another e-mail address now. What we send goes there from now on.";

export const LINK_MAILS: Readonly<Record<LinkPurpose, (link: Link) => Content>> = {
  "reset-password": (link) => ({
    subject: "Set a new password",
    text: paragraphs(
      "Somebody, we hope you, asked for a new password for the account with this e-mail address.\n" +
        "This link sets one. It works once, for 30 minutes, until a newer one is asked for:",
      ...show(link),
      "If it was not you, do nothing: your password stays as it is.",
    ),
  }),
  "verify-email": (link) => ({
    subject: "Is this your e-mail address?",
    text: paragraphs(
      "Somebody, we hope you, named this e-mail address as the one of an account.\n" +
        "This link says that it is yours. It works once, for 24 hours:",
      ...show(link),
      "An account that was registered with this address is removed after a week, unless a link was used.",
      "If you know of no account, do nothing.",
    ),
  }),
  "restore-email": (link) => ({
    subject: "Your e-mail address was changed",
    text: paragraphs(
      EMAIL_CHANGED,
      "If it was not you, this link undoes it: it gives the account this address back, and ends its\n" +
        "sessions. It works for three days:",
      ...show(link),
      "Whoever changed the address knew your password. Set a new one at once, after that\n" +
        "('forgot password' mails you a link), and tell whoever runs this service.",
    ),
  }),
};

const DOUBT =
  "If it was not you, set a new password at once ('forgot password' mails you a link),\n" +
  "and tell whoever runs this service.";

export const passwordChanged: Content = {
  subject: "Your password was changed",
  text: paragraphs(
    "The password of your account was changed, and its other sessions ended.",
    DOUBT,
  ),
};

export const emailRestored: Content = {
  subject: "Your e-mail address was set back",
  text: paragraphs(
    "The account has this e-mail address again, as it had before the address was changed. Its sessions ended.",
    "Whoever changed the address knew the password. Set a new one at once ('forgot password' mails you a link).",
  ),
};

/** Where no link undoes it: an administrator changed the address. */
export const emailReplaced: Content = {
  subject: "Your e-mail address was changed",
  text: paragraphs(
    EMAIL_CHANGED,
    "If you know nothing of it, tell whoever runs this service at once.",
  ),
};

/** To who has verified an address that somebody named as the one of another account. */
export const addressClaimed = (username: string): Content => ({
  subject: "You already have an account",
  text: paragraphs(
    "Somebody registered an account with your e-mail address, or asked for it as the one of an account.\n" +
      `You already have an account: ${username}`,
    "Nobody else can verify this address as theirs. If it was you, sign in with that account, or set a\n" +
      "new password ('forgot password' mails you a link). If it was not you, do nothing.",
  ),
});

export const secondFactorEnabled: Content = {
  subject: "Your account has a second factor",
  text: paragraphs(
    "A second factor was set up for your account. Whoever signs in needs its codes from now on.",
    DOUBT,
  ),
};

export const recoveryCodesRenewed: Content = {
  subject: "Your recovery codes were renewed",
  text: paragraphs(
    "New recovery codes were made for your account. Your old recovery codes no longer work.",
    DOUBT,
  ),
};

export const codesGuessed: Content = {
  subject: "Somebody may know your password",
  text: paragraphs(
    "Somebody entered the right password for your account and several wrong codes of its second factor.\n" +
      "They did not get in. Each further wrong code makes the next attempt wait longer.",
    "If it was you, you can sign in with a recovery code meanwhile.",
    "If it was not you, set a new password at once ('forgot password' mails you a link).",
  ),
};
