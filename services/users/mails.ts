import type { Mail } from "../../lib/mailer.ts";
import type { LinkPurpose } from "./links.repository.ts";

/**
 * What the mails say. None has a word that somebody else could choose, a username for one: mail goes to
 * addresses that nobody has shown to own, and would carry it there in our name.
 */
type Content = Omit<Mail, "to">;

/** A link, and its token for those who use the API themselves. */
export interface Link {
  readonly url: string;
  readonly token: string;
}

const paragraphs = (...texts: string[]) => `${texts.join("\n\n")}\n`;

const show = ({ url, token }: Link) => ["  " + url, `The token alone:\n\n  ${token}`] as const;

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
      "If you know of no account, do nothing.",
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

export const addressRestored: Content = {
  subject: "Your password was changed, and your e-mail address set back",
  text: paragraphs(
    "The password of your account was changed by a link that was mailed here, and its sessions ended.\n" +
      "The account has this e-mail address again, as it had before the address was changed.",
    "If you want the other address, sign in and change it, with your password.",
    DOUBT,
  ),
};

const EMAIL_CHANGED = {
  subject: "Your e-mail address was changed",
  text: "Your account has another e-mail address now. What we send goes there from now on.",
};

export const emailChanged: Content = {
  ...EMAIL_CHANGED,
  text: paragraphs(
    EMAIL_CHANGED.text,
    "If it was not you, ask for a link to set a new password, and tell whoever runs this service.\n" +
      "Such links come here for three days from the first change on.",
  ),
};

/** Where no link goes to the old address: it was not verified, the owner gave the password, or it was staff. */
export const emailReplaced: Content = {
  ...EMAIL_CHANGED,
  text: paragraphs(
    EMAIL_CHANGED.text,
    "If you know nothing of it, tell whoever runs this service at once.",
  ),
};

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
    "New recovery codes were made for your account. Those that you have from before are worth nothing now.",
    DOUBT,
  ),
};
