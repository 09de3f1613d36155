import { MAX_NAME, MAX_TAG, MAX_TAGS, VISIBLE_TEXT } from "../../lib/tokens/optional-claims.ts";
import { PEOPLE } from "../../lib/tokens/subject-type.ts";

const USERNAME = {
  type: "string",
  min: 3,
  max: 32,
  pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  messages: {
    stringPattern:
      "Must begin with a letter or digit, and have only letters, digits, '.', '_' and '-'.",
  },
} as const;
export const EMAIL = { type: "email", mode: "precise", max: 254, normalize: true } as const;
export const PASSWORD = { type: "string", min: 8, max: 72 } as const;

/** A password that is compared with the stored one: the rules for new passwords do not apply. */
export const GIVEN_PASSWORD = "string|min:1|max:1000";

/** A code of the second factor, or a recovery code. */
export const OTP = "string|min:6|max:32";

export const RECOVERY_CODES = {
  type: "object",
  name: "RecoveryCodes",
  props: { recoveryCodes: "string[]" },
} as const;

export const ACCOUNT = { username: USERNAME, email: EMAIL, password: PASSWORD } as const;

const VISIBLE = {
  type: "string",
  trim: true,
  min: 1,
  pattern: VISIBLE_TEXT,
  messages: { stringPattern: "Must have only characters that can be seen, and spaces." },
} as const;

export const CHANGES = {
  username: { ...USERNAME, optional: true },
  email: { ...EMAIL, optional: true },
  /** The display name; null removes it. */
  name: { ...VISIBLE, max: MAX_NAME, optional: true, nullable: true },
} as const;

/** The changes that only staff can make. */
export const STAFF_CHANGES = {
  ...CHANGES,
  tags: {
    type: "array",
    items: { ...VISIBLE, max: MAX_TAG },
    max: MAX_TAGS,
    unique: true,
    optional: true,
  },
  /** At most 1 KB as JSON (mustFit in accounts/account-rules.ts); null removes them. */
  extensions: {
    type: "record",
    key: {
      type: "string",
      pattern: /^(?!__proto__$)/,
      messages: { stringPattern: "Must not be __proto__." },
    },
    value: { type: "any", nullable: true },
    optional: true,
    nullable: true,
  },
} as const;

/** The token of a mailed link. */
export const LINK_TOKEN = "string|min:1|max:200";

/** `email`, `emailVerified`, `roles`, `subjectType`, `tags` and `extensions` are present only for the user and for holders of users:read. */
export const USER = {
  type: "object",
  name: "User",
  props: {
    id: "uuid",
    username: "string",
    createdAt: "string",
    email: "email|optional",
    emailVerified: "boolean|optional",
    roles: { type: "array", items: "string", optional: true },
    subjectType: { type: "enum", values: PEOPLE, optional: true },
    /** The display name. It is not unique, so that it identifies nobody. */
    name: "string|optional",
    tags: { type: "array", items: "string", optional: true },
    extensions: { type: "record", key: "string", value: "any", optional: true },
    /** The number of changes, starting at 1. */
    version: "number",
  },
} as const;

/** What every user may see of another one. */
export const USER_NAME = {
  type: "object",
  name: "UserName",
  props: { id: "uuid", username: "string" },
} as const;

/** The mails that tell the owner of an account of a change and have no link. */
export const NOTICE_NAMES = [
  "password-changed",
  "email-restored",
  "email-replaced",
  "second-factor-enabled",
  "recovery-codes-renewed",
  "second-factor-guessed",
] as const;
