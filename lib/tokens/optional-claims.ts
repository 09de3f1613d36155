/** Claims that a token has only if they have a value: it travels with every call. */
export interface OptionalClaims {
  /** The display name. It is not unique. */
  name?: string | undefined;
  /** Our own tokens have it only if it is verified and ACCESS_TOKEN_EMAIL is set. */
  email?: string | undefined;
  tags?: string[] | undefined;
  /** The program of end users that the token belongs to. */
  applicationId?: string | undefined;
  /** One of several profiles of the user. Only from trusted issuers. */
  profileId?: string | undefined;
  /** A JSON object of the deployment's own. */
  extensions?: Record<string, unknown> | undefined;
  /** The session at a trusted issuer. The session of our own tokens is `sid`. */
  sessionId?: string | undefined;
}

export type OptionalClaim = keyof OptionalClaims;

/** The longest display name, in characters. */
export const MAX_NAME = 100;
/** The most tags, and the longest one, in characters. */
export const MAX_TAGS = 20;
export const MAX_TAG = 40;
/** The longest `extensions` as JSON, in bytes. */
export const MAX_EXTENSIONS = 1024;
/** OpenID Connect's limit of identifiers, in characters. */
const MAX_ID = 255;
/** The longest e-mail address, in characters (RFC 5321). */
const MAX_EMAIL = 254;

/**
 * Text without control characters, line breaks and characters that cannot be seen. Written without `\p`, since the OpenAPI
 * document has the pattern and JSON Schema has no flags.
 */
export const VISIBLE_TEXT =
  // eslint-disable-next-line no-control-regex -- it refuses them
  /^[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]+$/;

const isText = (value: unknown, max: number): value is string =>
  typeof value === "string" &&
  value.length <= max &&
  value.trim() !== "" &&
  value.isWellFormed() &&
  VISIBLE_TEXT.test(value);

const isId = (value: unknown) => isText(value, MAX_ID);

/** Whether a value is a JSON object that is small enough for a token. */
export function isExtensions(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const text = JSON.stringify(value);
  // Object.assign would set the prototype
  return Buffer.byteLength(text) <= MAX_EXTENSIONS && !text.includes('"__proto__"');
}

/** Whether a value has the type and the size of the claim. */
const IS_VALID: Readonly<Record<OptionalClaim, (value: unknown) => boolean>> = {
  name: (value) => isText(value, MAX_NAME),
  email: (value) => isText(value, MAX_EMAIL) && /^[^\s@]+@[^\s@]+$/.test(value),
  tags: (value) =>
    Array.isArray(value) &&
    value.length <= MAX_TAGS &&
    value.every((tag: unknown) => isText(tag, MAX_TAG)),
  applicationId: isId,
  profileId: isId,
  extensions: isExtensions,
  sessionId: isId,
};

export const OPTIONAL_CLAIMS = Object.keys(IS_VALID) as OptionalClaim[];

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (typeof value === "object" && Object.keys(value).length === 0);

/** The claims that have a value. Lists and objects without content have none. */
export const withValues = (claims: OptionalClaims): OptionalClaims =>
  Object.fromEntries(Object.entries(claims).filter(([, value]) => !isEmpty(value)));

/**
 * Reads optional claims of another issuer. Values of a wrong type or size are left out.
 *
 * @param valueOf the value that the issuer states; undefined: none
 */
export function readOptionalClaims(valueOf: (claim: OptionalClaim) => unknown): OptionalClaims {
  const read = OPTIONAL_CLAIMS.flatMap((claim): [OptionalClaim, unknown][] => {
    const value = valueOf(claim);
    return value !== undefined && IS_VALID[claim](value) ? [[claim, value]] : [];
  });
  return withValues(Object.fromEntries(read));
}
